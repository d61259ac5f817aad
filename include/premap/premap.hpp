/* SPDX-License-Identifier: MIT
 *
 * premap.hpp - premap for C++20: files that close themselves, bytes as a span, exceptions or error codes, and co_await.
 *
 *   premap::file file = premap::open("model.bin");         at once; a worker opens, maps and brings the pages in
 *   std::span<const std::byte> bytes = file.wait();        or throws:  open 'model.bin': no such file or directory (ENOENT)
 *   ...
 *   premap::file other = co_await premap::open_async("other.bin");       see premap/coroutine.hpp
 *
 * All of it is over premap.h, whose comments say what each call does in full, what blocks and which codes it gives; a call that
 * is not here takes the handle that get() gives.
 *
 * Errors: what can fail comes in two forms, as in std::filesystem. One throws premap::error. The other has a last parameter
 * std::error_code &, which it clears when nothing failed, and throws nothing. Without exceptions there is only the latter.
 *
 * Threads: const members may be called on one object by many threads at once, as any function of premap.h. To move, assign,
 * reset or destroy an object while another thread uses it is a race, as with std::shared_ptr.
 *
 * All since 0.1.
 */
#ifndef PREMAP_PREMAP_HPP
#define PREMAP_PREMAP_HPP

#ifndef __cpp_concepts
#error "premap.hpp needs a compiler for C++20; premap.h does not"
#endif

#include <cstddef>
#include <cstdint>
#include <chrono>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <version>

#ifdef __cpp_lib_jthread
#include <stop_token>
#endif

#include <premap/error.hpp>
#include <premap/options.hpp>
#include <premap/premap.h>

namespace premap {

class file;

enum class load_state : int {
  pending = PREMAP_PENDING,
  loading = PREMAP_LOADING,
  ready = PREMAP_READY,
  failed = PREMAP_FAILED
};

/* Bytes dealt with, and bytes in all: 0 until that is known. */
struct load_progress {
  std::uint64_t done = 0;
  std::uint64_t total = 0;
};

namespace detail {

/* In milliseconds, rounded up, so that no wait is too short. What takes longer than there are milliseconds is cut. */
template <class Rep, class Period> constexpr std::int64_t timeout_of(std::chrono::duration<Rep, Period> duration) noexcept {
  using milliseconds = std::chrono::duration<std::int64_t, std::milli>;
  constexpr milliseconds longest(INT64_MAX / 2);
  using wide = std::chrono::duration<long double, std::milli>;
  if (duration <= duration.zero())
    return 0;
  return wide(duration) < wide(longest) ? std::chrono::ceil<milliseconds>(duration).count() : longest.count();
}

/* What one of these functions writes. It stays the same: a file's path, or why it has failed. */
inline std::string text_of(premap_file file, int (*write)(premap_file, char *, std::size_t)) {
  int length = write(file, nullptr, 0);
  std::string text(length > 0 ? static_cast<std::size_t>(length) : 0, '\0');
  (void)write(file, text.data(), text.size() + 1);
  return text;
}

#ifdef __cpp_exceptions
inline void check(premap_file file, int code, const char *step) {
  if (code < 0)
    throw premap::error(code, premap_error(file) == code ? text_of(file, premap_error_message) : std::string(), step);
}
#endif

/* What a file and a reference to one have in common: all that is done by the handle. A span is valid until the file's last
 * close. In an object without a handle, such as one that was moved from, all that can fail fails with PREMAP_EBADF. */
class file_calls {
public:
  using bytes_type = std::span<const std::byte>;
  using writable_bytes_type = std::span<std::byte>;

  premap_file get() const noexcept {
    return handle_;
  }
  explicit operator bool() const noexcept {
    return handle_ > 0;
  }

  /* ---- Look. None blocks */

  /* failed also for what is no valid handle. */
  load_state state() const noexcept {
    int state = premap_state(handle_);
    return state < 0 ? load_state::failed : static_cast<load_state>(state);
  }
  /* After true this thread may read the bytes. */
  bool is_ready() const noexcept {
    return premap_is_ready(handle_) == 1;
  }
  bool is_failed() const noexcept {
    return state() == load_state::failed;
  }
  /* Why it failed; no error while it has not. */
  std::error_code error() const noexcept {
    return to_error_code(premap_error(handle_));
  }
  /* A sentence that names step, file and cause; empty when it has not failed. May throw std::bad_alloc. */
  std::string message() const {
    return text_of(handle_, premap_error_message);
  }
  /* premap_path: what it was opened by. Empty without a valid handle. May throw std::bad_alloc. */
  std::string path() const {
    return text_of(handle_, premap_path);
  }
  load_progress progress() const noexcept {
    load_progress progress;
    (void)premap_progress(handle_, &progress.done, &progress.total); /* no valid handle has no bytes */
    return progress;
  }
  premap_file_info info(std::error_code &error) const noexcept {
    premap_file_info info = PREMAP_FILE_INFO_INIT;
    assign(error, premap_info(handle_, &info));
    return info;
  }

  /* The bytes of a file that is ready: PREMAP_EAGAIN before, the file's error when it has failed. */
  bytes_type bytes(std::error_code &error) const noexcept {
    return writable_bytes(error);
  }
  /* To be written to only when the file was opened as read_write or copy_on_write. */
  writable_bytes_type writable_bytes(std::error_code &error) const noexcept {
    premap_region region{};
    assign(error, premap_region_of(handle_, &region));
    return {static_cast<std::byte *>(region.data), region.size};
  }

  /* ---- Start and wait. Waits start what was not started; those for ever may load on the calling thread */

  void start(std::error_code &error) const noexcept {
    assign(error, premap_start(handle_));
  }
  /* Blocks until it is ready or has failed. Who has to know whether less is present than asked for looks at info().partial. */
  bytes_type wait(std::error_code &error) const noexcept {
    premap_region region{};
    assign(error, premap_wait(handle_, -1, &region));
    return {static_cast<const std::byte *>(region.data), region.size};
  }
  /* True when it is ready; false when the time has passed, or with error set. */
  template <class Rep, class Period>
  bool wait_for(std::chrono::duration<Rep, Period> timeout, std::error_code &error) const noexcept {
    return has_ended(premap_wait(handle_, timeout_of(timeout), nullptr), error);
  }
#ifdef __cpp_lib_jthread
  /* As wait. A request to stop, also one from before, cancels the load, which then fails with PREMAP_ECANCELED. */
  bytes_type wait(const std::stop_token &token, std::error_code &error) const noexcept {
    std::stop_callback on_stop(token, [handle = handle_]() noexcept { (void)premap_cancel(handle); }); /* see cancel */
    return wait(error);
  }
#endif

  /* ---- Control. None blocks */

  /* One that has ended, or is no more, has nothing to cancel. */
  void cancel() const noexcept {
    (void)premap_cancel(handle_);
  }
  void set_priority(std::int32_t priority, std::error_code &error) const noexcept {
    assign(error, premap_set_priority(handle_, priority));
  }
  template <class Rep, class Period>
  void set_deadline(std::chrono::duration<Rep, Period> from_now, std::error_code &error) const noexcept {
    assign(error, premap_set_deadline(handle_, timeout_of(from_now)));
  }
  void clear_deadline(std::error_code &error) const noexcept {
    assign(error, premap_set_deadline(handle_, -1));
  }
  /* One more owner of the same file. */
  file share(std::error_code &error) const noexcept;

  /* ---- The bytes later. offset is from the first byte loaded; a length of 0 means to the end */

  void populate(std::uint64_t offset, std::uint64_t length, std::error_code &error) const noexcept {
    assign(error, premap_populate(handle_, offset, length));
  }
  void advise(std::uint64_t offset, std::uint64_t length, premap::advice advice, std::error_code &error) const noexcept {
    assign(error, premap_advise(handle_, offset, length, static_cast<premap_advice>(advice)));
  }
  void lock(std::uint64_t offset, std::uint64_t length, std::error_code &error) const noexcept {
    assign(error, premap_lock(handle_, offset, length));
  }
  void unlock(std::uint64_t offset, std::uint64_t length, std::error_code &error) const noexcept {
    assign(error, premap_unlock(handle_, offset, length));
  }
  void flush(std::uint64_t offset, std::uint64_t length, std::error_code &error) const noexcept {
    assign(error, premap_flush(handle_, offset, length));
  }
  /* premap_release. */
  void drop_pages(std::uint64_t offset, std::uint64_t length, std::error_code &error) const noexcept {
    assign(error, premap_release(handle_, offset, length));
  }
  /* Bytes of the range that are in memory. */
  std::uint64_t resident(std::uint64_t offset, std::uint64_t length, std::error_code &error) const noexcept {
    std::uint64_t bytes = 0;
    assign(error, premap_resident(handle_, offset, length, &bytes));
    return bytes;
  }
  void copy_out(std::uint64_t offset, writable_bytes_type to, std::error_code &error) const noexcept {
    assign(error, premap_copy_out(handle_, offset, to.data(), to.size()));
  }
  /* Has it changed since it was loaded? An error: that could not be found out. */
  bool has_changed(std::error_code &error) const noexcept {
    int code = premap_check(handle_);
    assign(error, code == PREMAP_ECHANGED ? PREMAP_OK : code);
    return code == PREMAP_ECHANGED;
  }

  /* ---- The same, throwing premap::error, whose what() is message() where the file has failed */

#ifdef __cpp_exceptions
  premap_file_info info() const {
    premap_file_info info = PREMAP_FILE_INFO_INIT;
    check(handle_, premap_info(handle_, &info), "info");
    return info;
  }
  bytes_type bytes() const {
    return writable_bytes();
  }
  writable_bytes_type writable_bytes() const {
    premap_region region{};
    check(handle_, premap_region_of(handle_, &region), "bytes");
    return {static_cast<std::byte *>(region.data), region.size};
  }
  void start() const {
    check(handle_, premap_start(handle_), "start");
  }
  bytes_type wait() const {
    premap_region region{};
    check(handle_, premap_wait(handle_, -1, &region), "wait");
    return {static_cast<const std::byte *>(region.data), region.size};
  }
  template <class Rep, class Period> bool wait_for(std::chrono::duration<Rep, Period> timeout) const {
    std::error_code error;
    bool ended = wait_for(timeout, error);
    check(handle_, error.value(), "wait");
    return ended;
  }
#ifdef __cpp_lib_jthread
  bytes_type wait(const std::stop_token &token) const {
    std::error_code error;
    bytes_type bytes = wait(token, error);
    check(handle_, error.value(), "wait");
    return bytes;
  }
#endif
  void set_priority(std::int32_t priority) const {
    check(handle_, premap_set_priority(handle_, priority), "set_priority");
  }
  template <class Rep, class Period> void set_deadline(std::chrono::duration<Rep, Period> from_now) const {
    check(handle_, premap_set_deadline(handle_, timeout_of(from_now)), "set_deadline");
  }
  void clear_deadline() const {
    check(handle_, premap_set_deadline(handle_, -1), "clear_deadline");
  }
  file share() const;
  void populate(std::uint64_t offset = 0, std::uint64_t length = 0) const {
    check(handle_, premap_populate(handle_, offset, length), "populate");
  }
  void advise(std::uint64_t offset, std::uint64_t length, premap::advice advice) const {
    check(handle_, premap_advise(handle_, offset, length, static_cast<premap_advice>(advice)), "advise");
  }
  void lock(std::uint64_t offset = 0, std::uint64_t length = 0) const {
    check(handle_, premap_lock(handle_, offset, length), "lock");
  }
  void unlock(std::uint64_t offset = 0, std::uint64_t length = 0) const {
    check(handle_, premap_unlock(handle_, offset, length), "unlock");
  }
  void flush(std::uint64_t offset = 0, std::uint64_t length = 0) const {
    check(handle_, premap_flush(handle_, offset, length), "flush");
  }
  void drop_pages(std::uint64_t offset = 0, std::uint64_t length = 0) const {
    check(handle_, premap_release(handle_, offset, length), "drop_pages");
  }
  std::uint64_t resident(std::uint64_t offset = 0, std::uint64_t length = 0) const {
    std::uint64_t bytes = 0;
    check(handle_, premap_resident(handle_, offset, length, &bytes), "resident");
    return bytes;
  }
  void copy_out(std::uint64_t offset, writable_bytes_type to) const {
    check(handle_, premap_copy_out(handle_, offset, to.data(), to.size()), "copy_out");
  }
  bool has_changed() const {
    int code = premap_check(handle_);
    check(handle_, code == PREMAP_ECHANGED ? PREMAP_OK : code, "has_changed");
    return code == PREMAP_ECHANGED;
  }
#endif

protected:
  constexpr file_calls() noexcept = default;
  constexpr explicit file_calls(premap_file handle) noexcept : handle_(handle) {
  }
  constexpr file_calls(const file_calls &) noexcept = default;
  constexpr file_calls &operator=(const file_calls &) noexcept = default;
  ~file_calls() = default;

  premap_file handle_ = 0;

private:
  /* Time that has passed is no error, unless it was the file that failed with that code. */
  bool has_ended(int code, std::error_code &error) const noexcept {
    bool passed = code == PREMAP_ETIMEDOUT && premap_error(handle_) != code;
    assign(error, passed ? PREMAP_OK : code);
    return code >= 0;
  }
};

} // namespace detail

/* A file that somebody else owns: it may be copied about, and no longer be valid. */
class file_ref : public detail::file_calls {
public:
  constexpr file_ref() noexcept = default;
  constexpr explicit file_ref(premap_file handle) noexcept : file_calls(handle) {
  }
  constexpr file_ref(const file_calls &file) noexcept : file_calls(file) {
  }
};

/* Owns one reference to a file, and closes it. */
class file : public detail::file_calls {
public:
  constexpr file() noexcept = default;
  /* Takes over a reference from what premap.h or release() gave. */
  constexpr explicit file(premap_file handle) noexcept : file_calls(handle) {
  }
  file(file &&other) noexcept : file_calls(other.release()) {
  }
  file &operator=(file &&other) noexcept {
    reset(other.release());
    return *this;
  }
  ~file() {
    reset();
  }
  /* The reference is the caller's from now on, to be ended by premap_close. */
  [[nodiscard]] premap_file release() noexcept {
    return std::exchange(handle_, 0);
  }
  void reset(premap_file handle = 0) noexcept {
    premap_file old = std::exchange(handle_, handle);
    if (old > 0)
      (void)premap_close(old); /* nobody is left to be told that the handle was closed by other means */
  }
  /* reset, with the unmapping left to a thread of the pool. */
  void reset_async() noexcept {
    premap_file old = release();
    if (old > 0)
      (void)premap_close_async(old); /* as in reset */
  }
  void swap(file &other) noexcept {
    std::swap(handle_, other.handle_);
  }
  friend void swap(file &one, file &other) noexcept {
    one.swap(other);
  }
};

inline file detail::file_calls::share(std::error_code &error) const noexcept {
  assign(error, premap_retain(handle_));
  return file(error ? 0 : handle_);
}

#ifdef __cpp_exceptions
inline file detail::file_calls::share() const {
  check(handle_, premap_retain(handle_), "share");
  return file(handle_);
}
#endif

/* ---- Open
 *
 * open starts loading and returns at once; create does not even start; load loads on the calling thread and returns when the
 * file is ready; open_descriptor is open for a POSIX descriptor or a Windows handle, which stays the caller's. The forms with
 * an error code return an empty file with an error, save that load returns the file that has failed, for its message. */

namespace detail {

inline file file_or_error(premap_file result, std::error_code &error) noexcept {
  assign(error, result < 0 ? static_cast<int>(result) : PREMAP_OK);
  return file(result < 0 ? 0 : result);
}

} // namespace detail

inline file create(const path_text &path, const options &options, std::error_code &error) noexcept {
  premap_options plain;
  int code = detail::first_error(path.code(), options.to(plain));
  return detail::file_or_error(code < 0 ? code : premap_create(path.get(), &plain), error);
}

inline file open(const path_text &path, const options &options, std::error_code &error) noexcept {
  file made = create(path, options, error);
  if (!error)
    made.start(error);
  return error ? file() : std::move(made);
}

inline file load(const path_text &path, const options &options, std::error_code &error) noexcept {
  file made = create(path, options, error);
  if (!error)
    (void)made.wait(error);
  return made;
}

inline file open_descriptor(std::intptr_t descriptor, const options &options, std::error_code &error) noexcept {
  premap_options plain;
  int code = options.to(plain);
  return detail::file_or_error(code < 0 ? code : premap_open_fd(descriptor, &plain), error);
}

#ifdef __cpp_exceptions
inline file create(const path_text &path, const options &options = {}) {
  std::error_code error;
  file made = create(path, options, error);
  detail::check(error, "create");
  return made;
}

inline file open(const path_text &path, const options &options = {}) {
  std::error_code error;
  file made = open(path, options, error);
  detail::check(error, "open");
  return made;
}

inline file load(const path_text &path, const options &options = {}) {
  file made = create(path, options);
  (void)made.wait();
  return made;
}

inline file open_descriptor(std::intptr_t descriptor, const options &options = {}) {
  std::error_code error;
  file made = open_descriptor(descriptor, options, error);
  detail::check(error, "open_descriptor");
  return made;
}
#endif

} // namespace premap

#include <premap/collections.hpp>

#ifdef __cpp_impl_coroutine
#include <premap/coroutine.hpp>
#endif

#endif
