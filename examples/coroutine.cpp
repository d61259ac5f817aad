/* SPDX-License-Identifier: MIT
 *
 * coroutine.cpp - count the lines of files by coroutines: each waits for its file without holding a thread.
 *
 * They go on where the program wants, on its own thread: main hands them there. For names beyond ASCII on Windows see load.c.
 */
#include <premap/premap.hpp>

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <deque>
#include <exception>
#include <mutex>

namespace {

/* Runs coroutines on the thread that calls run_one. A program with a loop of events would use that instead. */
class runner {
public:
  void post(std::coroutine_handle<> coroutine) {
    std::lock_guard locked(lock_);
    ready_.push_back(coroutine);
    changed_.notify_one();
  }
  void run_one() {
    std::unique_lock locked(lock_);
    changed_.wait(locked, [this] { return !ready_.empty(); });
    std::coroutine_handle<> next = ready_.front();
    ready_.pop_front();
    locked.unlock();
    next.resume();
  }

private:
  std::mutex lock_;
  std::condition_variable changed_;
  std::deque<std::coroutine_handle<>> ready_;
};

/* The least that a coroutine needs: begins at once, frees itself at its end, and lets no exception out. */
struct routine {
  struct promise_type {
    routine get_return_object() const noexcept {
      return {};
    }
    std::suspend_never initial_suspend() const noexcept {
      return {};
    }
    std::suspend_never final_suspend() const noexcept {
      return {};
    }
    void return_void() const noexcept {
    }
    void unhandled_exception() const noexcept {
      std::terminate();
    }
  };
};

struct totals {
  int unfinished = 0;
  int failed = 0;
};

routine count_lines(const char *path, runner &on, totals &to) {
  to.unfinished++;
  try {
    auto resume = [&on](std::coroutine_handle<> coroutine) { on.post(coroutine); };
    premap::file file = co_await premap::open_async_on(resume, path);
    auto lines = std::ranges::count(file.bytes(), std::byte{'\n'});
    std::printf("%td %s\n", lines, path);
  } catch (const premap::error &error) {
    std::fprintf(stderr, "%s\n", error.what()); /* names the file, and what could not be done with it */
    to.failed++;
  }
  to.unfinished--;
}

} // namespace

int main(int argc, char **argv) {
  runner runner;
  totals totals;
  for (int i = 1; i < argc; i++)
    count_lines(argv[i], runner, totals); /* comes back where it would wait: all files load side by side */
  while (totals.unfinished > 0)
    runner.run_one();
  return totals.failed > 0 ? 1 : 0;
}
