/* SPDX-License-Identifier: MIT
 *
 * premap/coroutine.hpp - files to be awaited. Included by premap.hpp where the compiler has coroutines.
 *
 *   premap::file file = co_await premap::open_async("model.bin");          throws premap::error when it fails
 *   use(file.bytes());
 *
 *   premap::async_file one = premap::open_async("one.bin"), two = premap::open_async("two.bin");        both load from here on
 *   use(co_await one, co_await two);                                       bytes, for as long as one and two live
 *   std::error_code error = co_await one.ended();                          throws nothing
 *
 * Where a coroutine goes on: on its own thread, without suspending, when the file has ended by then. Else on the thread that
 * would make the file's callback (see premap_callback): the library's own, on which a coroutine that goes on holds up all other
 * callbacks until it suspends again or returns, or for a loader of premap_loader_attach the loop's, from within uv_run. Who
 * wants another thread gives open_async_on what hands a coroutine over to it.
 */
#ifndef PREMAP_COROUTINE_HPP
#define PREMAP_COROUTINE_HPP

#include <atomic>
#include <concepts>
#include <coroutine>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

#include <premap/premap.hpp>

namespace premap {

class async_file;

#ifdef __cpp_lib_jthread
using stop_token = std::stop_token;
#else
struct stop_token {}; /* of a standard library that has none: never asks to stop */
#endif

/* Takes a coroutine, to resume it elsewhere, soon or later. It is called in place of resuming, once, and may not throw. */
template <class T>
concept resumer = std::is_nothrow_move_constructible_v<T> && std::invocable<T &, std::coroutine_handle<>>;

namespace detail {

/* What a load shares with those who await it: its callback, its async_file, and awaiting coroutines have a reference each. */
class async_load {
public:
  async_load() = default;
  async_load(const async_load &) = delete;
  async_load &operator=(const async_load &) = delete;
  virtual ~async_load() = default;

  void retain() noexcept {
    references_.fetch_add(1, std::memory_order_relaxed);
  }
  void let_go() noexcept {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1)
      delete this;
  }

  /* Is called by the library, once. */
  static void on_end(premap_file, int result, void *user_data) noexcept {
    auto *load = static_cast<async_load *>(user_data);
    load->result_ = result;
    void *coroutine = load->waiting_.exchange(load, std::memory_order_acq_rel);
    if (coroutine != nullptr)
      load->resume(std::coroutine_handle<>::from_address(coroutine));
    load->let_go();
  }

  bool has_ended() const noexcept {
    return waiting_.load(std::memory_order_acquire) == this;
  }
  /* Once it has ended. */
  int result() const noexcept {
    return result_;
  }
  /* On true the coroutine may already go on elsewhere. On false there is this, which has ended, or another coroutine. */
  bool wait(std::coroutine_handle<> coroutine, void *&there) noexcept {
    there = nullptr;
    return waiting_.compare_exchange_strong(there, coroutine.address(), std::memory_order_acq_rel, std::memory_order_acquire);
  }
  /* It is not resumed, unless that has begun. */
  void stop_waiting(std::coroutine_handle<> coroutine) noexcept {
    void *expected = coroutine.address();
    (void)waiting_.compare_exchange_strong(expected, nullptr, std::memory_order_acq_rel, std::memory_order_relaxed);
  }

  void start(premap_file handle, [[maybe_unused]] const stop_token &token, std::error_code &error) noexcept {
    retain(); /* the callback's, which may come before premap_start returns */
    assign(error, premap_start(handle));
    if (error)
      let_go();
#ifdef __cpp_lib_jthread
    else
      on_stop_.emplace(token, canceller{handle});
#endif
  }

protected:
  virtual void resume(std::coroutine_handle<> coroutine) noexcept {
    coroutine.resume();
  }

private:
  std::atomic<unsigned> references_{1};
  std::atomic<void *> waiting_{nullptr}; /* a coroutine; this: the load has ended */
  int result_ = PREMAP_OK;
#ifdef __cpp_lib_jthread
  struct canceller {
    premap_file handle; /* which may be closed by then: no handle is ever used again */
    void operator()() const noexcept {
      (void)premap_cancel(handle);
    }
  };
  std::optional<std::stop_callback<canceller>> on_stop_;
#endif
};

template <resumer Resumer> class async_load_on final : public async_load {
public:
  explicit async_load_on(Resumer resumer) noexcept : resumer_(std::move(resumer)) {
  }

private:
  void resume(std::coroutine_handle<> coroutine) noexcept override {
    resumer_(coroutine);
  }

  Resumer resumer_;
};

struct let_load_go {
  void operator()(async_load *load) const noexcept {
    load->let_go();
  }
};
using async_load_pointer = std::unique_ptr<async_load, let_load_go>;

/* Waits for the end of a load. */
class end_awaiter {
public:
  explicit end_awaiter(async_load *load) noexcept : load_(load) {
    if (load != nullptr)
      load->retain();
  }
  end_awaiter(const end_awaiter &) = delete;
  end_awaiter &operator=(const end_awaiter &) = delete;
  /* Also when the coroutine is destroyed where it is suspended. */
  ~end_awaiter() {
    if (coroutine_)
      load_->stop_waiting(coroutine_);
  }

  bool await_ready() const noexcept {
    return load_ == nullptr || load_->has_ended();
  }
  bool await_suspend(std::coroutine_handle<> coroutine) noexcept {
    coroutine_ = coroutine; /* before it may be resumed, and this be gone */
    void *there;
    if (load_->wait(coroutine, there))
      return true;
    coroutine_ = nullptr;
    is_second_ = there != load_.get();
    return false;
  }
  std::error_code await_resume() const noexcept {
    return to_error_code(load_ == nullptr ? PREMAP_EBADF : is_second_ ? PREMAP_EINVAL : load_->result());
  }

private:
  async_load_pointer load_;
  std::coroutine_handle<> coroutine_ = nullptr;
  bool is_second_ = false;
};

async_file open_async(async_load_pointer load, const path_text &path, options options, const stop_token &token,
                      std::error_code &error) noexcept;

#ifdef __cpp_exceptions

class bytes_awaiter : public end_awaiter {
public:
  bytes_awaiter(async_load *load, file_ref file) noexcept : end_awaiter(load), file_(file) {
  }
  std::span<const std::byte> await_resume() const {
    check(file_.get(), end_awaiter::await_resume().value(), "co_await");
    return file_.bytes();
  }

private:
  file_ref file_;
};

class file_awaiter : public end_awaiter {
public:
  file_awaiter(async_load *load, file taken) noexcept : end_awaiter(load), file_(std::move(taken)) {
  }
  file await_resume() {
    check(file_.get(), end_awaiter::await_resume().value(), "co_await");
    return std::move(file_);
  }

private:
  file file_;
};

#endif

} // namespace detail

/* A file that loads, and can be awaited, by one coroutine at a time: the second is given PREMAP_EINVAL. Once it has ended, any
 * number may ask. Owns the file: closed before its end it is cancelled, and who awaits it is given PREMAP_ECANCELED.
 *
 * A coroutine that is suspended here may be destroyed, and is then not resumed; unless another thread may be resuming it at
 * that moment. It is safe, for one, on the thread on which it would be resumed. */
class [[nodiscard]] async_file {
public:
  async_file() noexcept = default;

  /* The file itself: to look at, cancel, or wait for in other ways. */
  const file &get() const noexcept {
    return file_;
  }
  const file *operator->() const noexcept {
    return &file_;
  }
  explicit operator bool() const noexcept {
    return static_cast<bool>(file_);
  }
  void reset() noexcept {
    file_.reset();
    load_.reset();
  }

  /* co_await file.ended(): no error, or why it failed. Throws nothing. */
  detail::end_awaiter ended() const noexcept {
    return detail::end_awaiter(load_.get());
  }
#ifdef __cpp_exceptions
  /* co_await file: its bytes. co_await std::move(file), or of a temporary: the file, which is ready. Both throw premap::error,
   * with the file's message. */
  friend detail::bytes_awaiter operator co_await(const async_file &file) noexcept {
    return detail::bytes_awaiter(file.load_.get(), file.file_);
  }
  friend detail::file_awaiter operator co_await(async_file &&file) noexcept {
    detail::async_load_pointer load = std::move(file.load_);
    return detail::file_awaiter(load.get(), std::move(file.file_));
  }
#endif

private:
  friend async_file detail::open_async(detail::async_load_pointer load, const path_text &path, options options,
                                       const stop_token &token, std::error_code &error) noexcept;

  file file_;
  detail::async_load_pointer load_;
};

inline async_file detail::open_async(async_load_pointer load, const path_text &path, options options, const stop_token &token,
                                     std::error_code &error) noexcept {
  async_file opened;
  bool tells_another = options.callback != nullptr || options.queue != nullptr || options.user_data != nullptr;
  if (load == nullptr || tells_another) {
    assign(error, tells_another ? PREMAP_EINVAL : PREMAP_ENOMEM);
    return opened;
  }
  options.callback = async_load::on_end;
  options.user_data = load.get();
  file made = create(path, options, error);
  if (!error)
    load->start(made.get(), token, error);
  if (error)
    return opened;
  opened.file_ = std::move(made);
  opened.load_ = std::move(load);
  return opened;
}

/* ---- Open
 *
 * As open: the load starts here, and its errors are those of awaiting it. A request to stop, also one from before, cancels it.
 * The options have no callback, queue or user data: PREMAP_EINVAL. */

inline async_file open_async(const path_text &path, const options &options, const stop_token &token,
                             std::error_code &error) noexcept {
  return detail::open_async(detail::async_load_pointer(new (std::nothrow) detail::async_load), path, options, token, error);
}

/* The resumer is called where the coroutine would have gone on, and kept for that. */
template <resumer Resumer>
async_file open_async_on(Resumer resumer, const path_text &path, const options &options, const stop_token &token,
                         std::error_code &error) noexcept {
  detail::async_load_pointer load(new (std::nothrow) detail::async_load_on<Resumer>(std::move(resumer)));
  return detail::open_async(std::move(load), path, options, token, error);
}

#ifdef __cpp_exceptions
inline async_file open_async(const path_text &path, const options &options = {}, const stop_token &token = {}) {
  std::error_code error;
  async_file opened = open_async(path, options, token, error);
  detail::check(error, "open_async");
  return opened;
}

template <resumer Resumer>
async_file open_async_on(Resumer resumer, const path_text &path, const options &options = {}, const stop_token &token = {}) {
  std::error_code error;
  async_file opened = open_async_on(std::move(resumer), path, options, token, error);
  detail::check(error, "open_async_on");
  return opened;
}
#endif

} // namespace premap

#endif
