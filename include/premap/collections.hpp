/* SPDX-License-Identifier: MIT
 *
 * premap/collections.hpp - groups of files, queues of ended files, and loaders. Included by premap.hpp.
 */
#ifndef PREMAP_COLLECTIONS_HPP
#define PREMAP_COLLECTIONS_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>

#include <premap/premap.hpp>

namespace premap {

/* The end of a file: see premap_completion. */
struct completion {
  file_ref file; /* belongs to who opened it, or to the group */
  int result = PREMAP_OK;
  void *user_data = nullptr;

  std::error_code error() const noexcept {
    return detail::to_error_code(result);
  }
  bool is_partial() const noexcept {
    return result == PREMAP_PARTIAL;
  }
};

namespace detail {

inline completion to_completion(const premap_completion &plain) noexcept {
  return {file_ref(plain.file), plain.result, plain.user_data};
}

struct close_group {
  void operator()(premap_group *group) const noexcept {
    premap_group_close(group);
  }
};

struct close_queue {
  void operator()(premap_queue *queue) const noexcept {
    premap_queue_close(queue);
  }
};

struct close_loader {
  void operator()(premap_loader *loader) const noexcept {
    (void)premap_loader_close(loader, 0); /* what does not stop at once is left behind, and cleans up when it does */
  }
};

} // namespace detail

/* Many files with the same options, one progress and one end. Closed by the destructor, which drops its reference to each file:
 * who wants one for longer takes file.share(). An object without a group, such as one that was moved from, gives PREMAP_EINVAL.
 *
 *   premap::group group;
 *   for (const char *path : paths)
 *     group.add(path);
 *   for (const premap::completion &ended : group)          starts it, and gives the files as they end
 *     use(ended.file.bytes()); */
class group {
public:
  explicit group(const options &options, std::error_code &error) noexcept {
    premap_options plain;
    premap_group *made = nullptr;
    int code = options.to(plain);
    detail::assign(error, code < 0 ? code : premap_group_create(&made, &plain));
    group_.reset(made);
  }

  premap_group *get() const noexcept {
    return group_.get();
  }
  explicit operator bool() const noexcept {
    return group_ != nullptr;
  }
  void reset() noexcept {
    group_.reset();
  }

  /* Constant time, and opens nothing. */
  file_ref add(const path_text &path, std::error_code &error) const noexcept {
    premap_file added = path.code() < 0 ? path.code() : premap_group_add(get(), path.get());
    detail::assign(error, added < 0 ? static_cast<int>(added) : PREMAP_OK);
    return file_ref(added < 0 ? 0 : added);
  }
  /* Adds a directory's regular files, and those of the directories in it. Blocks for reading the directories. Returns how many
   * files were added. */
  std::uint64_t add_directory(const path_text &path, std::error_code &error) const noexcept {
    std::int64_t added = path.code() < 0 ? path.code() : premap_group_add_directory(get(), path.get());
    detail::assign(error, added < 0 ? static_cast<int>(added) : PREMAP_OK);
    return added < 0 ? 0 : static_cast<std::uint64_t>(added);
  }
  void start(std::error_code &error) const noexcept {
    detail::assign(error, premap_group_start(get()));
  }
  /* Starts the group and blocks until all have ended. The error is that of the first file that failed; next tells which. */
  void wait(std::error_code &error) const noexcept {
    detail::assign(error, premap_group_wait(get(), -1));
  }
  /* The same, or PREMAP_ETIMEDOUT. */
  template <class Rep, class Period>
  void wait_for(std::chrono::duration<Rep, Period> timeout, std::error_code &error) const noexcept {
    detail::assign(error, premap_group_wait(get(), detail::timeout_of(timeout)));
  }
  /* Starts the group and waits for the next file that has ended, each once; nothing when there are no more. A file that failed
   * is no error of the call. */
  std::optional<completion> next(std::error_code &error) const noexcept {
    return next_within(-1, error);
  }
  /* The same, or PREMAP_ETIMEDOUT. */
  template <class Rep, class Period>
  std::optional<completion> next_for(std::chrono::duration<Rep, Period> timeout, std::error_code &error) const noexcept {
    return next_within(detail::timeout_of(timeout), error);
  }
  /* Does not block, however many files there are. */
  premap_group_progress progress(std::error_code &error) const noexcept {
    premap_group_progress progress{};
    progress.size = sizeof progress;
    detail::assign(error, premap_group_progress_of(get(), &progress));
    return progress;
  }
  /* All that is unfinished. */
  void cancel() const noexcept {
    premap_group_cancel(get());
  }

  /* ---- The same, throwing premap::error */

#ifdef __cpp_exceptions
  explicit group(const options &options = {}) {
    std::error_code error;
    *this = group(options, error);
    detail::check(error, "group");
  }
  file_ref add(const path_text &path) const {
    std::error_code error;
    file_ref added = add(path, error);
    detail::check(error, "add");
    return added;
  }
  std::uint64_t add_directory(const path_text &path) const {
    std::error_code error;
    std::uint64_t added = add_directory(path, error);
    detail::check(error, "add_directory");
    return added;
  }
  void start() const {
    std::error_code error;
    start(error);
    detail::check(error, "start");
  }
  void wait() const {
    std::error_code error;
    wait(error);
    detail::check(error, "wait");
  }
  template <class Rep, class Period> void wait_for(std::chrono::duration<Rep, Period> timeout) const {
    std::error_code error;
    wait_for(timeout, error);
    detail::check(error, "wait");
  }
  std::optional<completion> next() const {
    std::error_code error;
    std::optional<completion> ended = next(error);
    detail::check(error, "next");
    return ended;
  }
  template <class Rep, class Period> std::optional<completion> next_for(std::chrono::duration<Rep, Period> timeout) const {
    std::error_code error;
    std::optional<completion> ended = next_for(timeout, error);
    detail::check(error, "next");
    return ended;
  }
  premap_group_progress progress() const {
    std::error_code error;
    premap_group_progress current = progress(error);
    detail::check(error, "progress");
    return current;
  }

  /* What next gives, one by one: to go through a group is to take from it. */
  class iterator {
  public:
    using value_type = completion;
    using difference_type = std::ptrdiff_t;

    explicit iterator(const group &of) : group_(&of), ended_(of.next()) {
    }
    const completion &operator*() const noexcept {
      return *ended_;
    }
    const completion *operator->() const noexcept {
      return &*ended_;
    }
    iterator &operator++() {
      ended_ = group_->next();
      return *this;
    }
    void operator++(int) {
      ++*this;
    }
    friend bool operator==(const iterator &at, std::default_sentinel_t) noexcept {
      return !at.ended_;
    }

  private:
    const group *group_;
    std::optional<completion> ended_;
  };

  iterator begin() const {
    return iterator(*this);
  }
  std::default_sentinel_t end() const noexcept {
    return std::default_sentinel;
  }
#endif

private:
  std::optional<completion> next_within(std::int64_t timeout_ms, std::error_code &error) const noexcept {
    premap_completion plain;
    int code = premap_group_next(get(), timeout_ms, &plain);
    detail::assign(error, code == PREMAP_EOF ? PREMAP_OK : code);
    return code == PREMAP_OK ? std::optional(detail::to_completion(plain)) : std::nullopt;
  }

  std::unique_ptr<premap_group, detail::close_group> group_;
};

/* Where files that have ended wait until somebody asks: those with options.queue = queue.get(). Closed by the destructor. Many
 * at a time are taken by premap_queue_poll. */
class queue {
public:
  explicit queue(std::error_code &error) noexcept {
    premap_queue *made = nullptr;
    detail::assign(error, premap_queue_create(&made));
    queue_.reset(made);
  }

  premap_queue *get() const noexcept {
    return queue_.get();
  }
  explicit operator bool() const noexcept {
    return queue_ != nullptr;
  }
  void reset() noexcept {
    queue_.reset();
  }
  /* Readable while there are entries (Windows: an event's handle): only to be waited for. */
  std::intptr_t descriptor() const noexcept {
    return premap_queue_fd(get());
  }
  /* Blocks until there is an entry, and takes it. */
  std::optional<completion> next(std::error_code &error) const noexcept {
    return next_within(-1, error);
  }
  /* The same; nothing, which is no error, when none came in time. */
  template <class Rep, class Period>
  std::optional<completion> next_for(std::chrono::duration<Rep, Period> timeout, std::error_code &error) const noexcept {
    return next_within(detail::timeout_of(timeout), error);
  }

#ifdef __cpp_exceptions
  queue() {
    std::error_code error;
    *this = queue(error);
    detail::check(error, "queue");
  }
  completion next() const {
    std::error_code error;
    std::optional<completion> ended = next(error);
    detail::check(error, "next");
    return *ended;
  }
  template <class Rep, class Period> std::optional<completion> next_for(std::chrono::duration<Rep, Period> timeout) const {
    std::error_code error;
    std::optional<completion> ended = next_for(timeout, error);
    detail::check(error, "next");
    return ended;
  }
#endif

private:
  std::optional<completion> next_within(std::int64_t timeout_ms, std::error_code &error) const noexcept {
    premap_completion plain;
    std::int64_t taken = premap_queue_poll(get(), &plain, 1, timeout_ms);
    detail::assign(error, taken < 0 ? static_cast<int>(taken) : PREMAP_OK);
    return taken > 0 ? std::optional(detail::to_completion(plain)) : std::nullopt;
  }

  std::unique_ptr<premap_queue, detail::close_queue> queue_;
};

/* premap_loader_options; 0 means no limit. */
struct loader_options {
  std::uint32_t workers_max = 0;
  std::uint64_t queued_max = 0;
  std::chrono::milliseconds queued_wait{0}; /* negative: for ever */
  std::uint64_t bytes_in_flight_max = 0;
  std::uint64_t open_files_max = 0;
  std::uint64_t maps_max = 0;
  std::uint64_t memory_max = 0;
};

/* An order of files with limits of its own, for files with options.loader = loader.get(). The destructor cancels what it has
 * not loaded, and waits for nothing; close waits. One for a loop of libuv's is made by premap/uv.h. */
class loader {
public:
  explicit loader(const loader_options &limits, std::error_code &error) noexcept {
    premap_loader_options plain = PREMAP_LOADER_OPTIONS_INIT;
    plain.workers_max = limits.workers_max;
    plain.queued_max = limits.queued_max;
    plain.queued_wait_ms = limits.queued_wait.count();
    plain.bytes_in_flight_max = limits.bytes_in_flight_max;
    plain.open_files_max = limits.open_files_max;
    plain.maps_max = limits.maps_max;
    plain.memory_max = limits.memory_max;
    premap_loader *made = nullptr;
    detail::assign(error, premap_loader_create(&made, &plain));
    loader_.reset(made);
  }

  premap_loader *get() const noexcept {
    return loader_.get();
  }
  explicit operator bool() const noexcept {
    return loader_ != nullptr;
  }
  /* Blocks until all that was started has ended. */
  void drain(std::error_code &error) const noexcept {
    detail::assign(error, drain_within(-1));
  }
  /* The same, or PREMAP_ETIMEDOUT. */
  template <class Rep, class Period>
  void drain_for(std::chrono::duration<Rep, Period> timeout, std::error_code &error) const noexcept {
    detail::assign(error, drain_within(detail::timeout_of(timeout)));
  }
  /* Cancels what it has not loaded, and waits until no thread works for it. PREMAP_ETIMEDOUT: one is stuck, and is left behind.
   * The object is empty then, in both cases. */
  template <class Rep, class Period>
  void close_for(std::chrono::duration<Rep, Period> timeout, std::error_code &error) noexcept {
    detail::assign(error, premap_loader_close(loader_.release(), detail::timeout_of(timeout)));
  }
  /* The same without a limit: a thread that is stuck in a file system which is gone would hold it for ever. */
  void close(std::error_code &error) noexcept {
    detail::assign(error, premap_loader_close(loader_.release(), -1));
  }
  premap_loader_metrics metrics(std::error_code &error) const noexcept {
    premap_loader_metrics metrics{};
    metrics.size = sizeof metrics;
    detail::assign(error, get() != nullptr ? premap_metrics(get(), &metrics) : PREMAP_EINVAL);
    return metrics;
  }

#ifdef __cpp_exceptions
  explicit loader(const loader_options &limits = {}) {
    std::error_code error;
    *this = loader(limits, error);
    detail::check(error, "loader");
  }
  void drain() const {
    std::error_code error;
    drain(error);
    detail::check(error, "drain");
  }
  template <class Rep, class Period> void drain_for(std::chrono::duration<Rep, Period> timeout) const {
    std::error_code error;
    drain_for(timeout, error);
    detail::check(error, "drain");
  }
  template <class Rep, class Period> void close_for(std::chrono::duration<Rep, Period> timeout) {
    std::error_code error;
    close_for(timeout, error);
    detail::check(error, "close");
  }
  void close() {
    std::error_code error;
    close(error);
    detail::check(error, "close");
  }
  premap_loader_metrics metrics() const {
    std::error_code error;
    premap_loader_metrics current = metrics(error);
    detail::check(error, "metrics");
    return current;
  }
#endif

private:
  /* Null would be the default loader, which an empty object is not. */
  int drain_within(std::int64_t timeout_ms) const noexcept {
    return get() != nullptr ? premap_loader_drain(get(), timeout_ms) : PREMAP_EINVAL;
  }

  std::unique_ptr<premap_loader, detail::close_loader> loader_;
};

} // namespace premap

#endif
