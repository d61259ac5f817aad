/* SPDX-License-Identifier: MIT
 *
 * test_coroutine.cpp - premap/coroutine.hpp: files that are awaited, and on which thread their coroutines go on.
 */
#include <premap/premap.hpp>

#include "support.h"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <premap/uv.h>

using namespace std::literals;

TestSuite(coroutine, .init = support_begin, .fini = support_end, .timeout = SECONDS(60));

/* A coroutine that nobody awaits. It begins at once and frees itself, unless it is destroyed by its handle. */
struct routine {
  struct promise_type {
    routine get_return_object() noexcept {
      return {std::coroutine_handle<promise_type>::from_promise(*this)};
    }
    std::suspend_never initial_suspend() const noexcept {
      return {};
    }
    std::suspend_never final_suspend() const noexcept {
      return {};
    }
    void return_void() const noexcept {
    }
    [[noreturn]] void unhandled_exception() const noexcept {
      std::terminate();
    }
  };

  std::coroutine_handle<> handle;
};

/* How a coroutine went on. uv_sem_t, since one may be destroyed by whom it woke, while the post that did it returns. */
struct outcome {
  uv_sem_t came;
  std::error_code error = PREMAP_OK;
  std::string what;
  std::size_t size = 0;
  std::thread::id thread;
  std::atomic<int> times{0};

  outcome() {
    if (uv_sem_init(&came, 0) != 0)
      std::terminate();
  }
  ~outcome() {
    uv_sem_destroy(&came);
  }
  void note() {
    thread = std::this_thread::get_id();
    times++;
    uv_sem_post(&came);
  }
  void wait() {
    uv_sem_wait(&came);
  }
};

static const premap::options slow = {.prefault = premap::prefault::advise,
                                     .backing = premap::backing::mapped,
                                     .chunk_size = PREMAP_CHUNK_SIZE_MIN,
                                     .pause = PREMAP_PAUSE_MAX_US * 1us};

static premap::async_file open_slow(const premap::stop_token &token = {}) {
  return premap::open_async(make_slow_file().text, slow, token);
}

/* Notes the end, and whether the bytes are those of seed 1. */
static routine await_end(const premap::async_file &file, outcome &to) {
  to.error = co_await file.ended();
  to.size = to.error ? 0 : file->bytes().size();
  if (!to.error && !pattern_equals(file->bytes().data(), to.size, 1, 0))
    to.error = PREMAP_EIO;
  to.note();
}

/* ---- What awaiting gives */

static routine await_all_ways(const char *name, outcome &to) {
  premap::async_file one = premap::open_async(name), other = premap::open_async(name);
  std::span<const std::byte> bytes = co_await one;
  premap::file file = co_await std::move(other);
  premap::file temporary = co_await premap::open_async(name, {.priority = 3, .keep_open = true});
  std::error_code moved = co_await other.ended();
  bool is_right = pattern_equals(bytes.data(), bytes.size(), 1, 0) && file.bytes().size() == bytes.size() && !other &&
                  moved == PREMAP_EBADF && temporary.bytes().size() == bytes.size() && !co_await one.ended();
  to.size = is_right ? bytes.size() : 0;
  to.note();
}

Test(coroutine, bytes_or_the_file, .description = "of what is awaited where it stands, or moved from") {
  path name = make_file("file", 300 * KIB, 1);
  outcome outcome;
  await_all_ways(name.text, outcome);
  outcome.wait();
  cr_expect_eq(outcome.size, 300 * KIB);
}

static routine await_missing(const std::string name, bool moves, outcome &to) {
  try {
    premap::async_file file = premap::open_async(std::string_view(name));
    if (moves)
      (void)co_await std::move(file);
    else
      (void)co_await file;
  } catch (const premap::error &error) {
    to.error = error.code();
    to.what = error.what();
  }
  to.note();
}

Test(coroutine, failures_are_thrown,
     .description = "with the file's message; ended gives a code, and leaves the file to be asked") {
  std::string missing = path_of("missing").text;
  std::string sentence = "open '" + missing + "': no such file or directory (ENOENT)";
  for (bool moves : {false, true}) {
    outcome outcome;
    await_missing(missing, moves, outcome);
    outcome.wait();
    cr_expect(outcome.error == PREMAP_ENOENT);
    cr_expect_str_eq(outcome.what.c_str(), sentence.c_str());
  }
  outcome ended;
  premap::async_file file = premap::open_async(missing);
  await_end(file, ended);
  ended.wait();
  cr_expect(ended.error == PREMAP_ENOENT && file->message() == sentence && file.get().error() == PREMAP_ENOENT);
}

static void note_thread(premap_file, int, void *to) noexcept {
  static_cast<outcome *>(to)->note();
}

Test(coroutine, what_cannot_be_opened,
     .description = "bad paths, options for another, a full loader: an error at once, in both forms") {
  std::error_code error;
  premap::queue queue;
  int data = 0;
  const premap::options bad[] = {{.callback = note_thread}, {.queue = queue.get()}, {.user_data = &data}, {.pause = -1us}};
  cr_expect(!premap::open_async("", {}, {}, error) && error == PREMAP_EINVAL);
  for (const premap::options &options : bad)
    cr_expect(!premap::open_async("file", options, {}, error) && error == PREMAP_EINVAL);
  premap::loader loader({.workers_max = 1, .queued_max = 1});
  premap::options options = slow;
  options.loader = loader.get();
  path name = make_slow_file();
  premap::async_file loading = premap::open_async(name.text, options);
  cr_assert(reaches_state(loading->get(), PREMAP_LOADING));
  premap::async_file queued = premap::open_async(name.text, options, {}, error);
  cr_expect(queued && !error);
  cr_expect(!premap::open_async(name.text, options, {}, error) && error == PREMAP_ENOBUFS);
  std::string what;
  try {
    (void)premap::open_async(name.text, options);
  } catch (const premap::error &thrown) {
    what = thrown.what();
  }
  cr_expect_str_eq(what.c_str(), "open_async: a queue or table of the library is full (ENOBUFS)");
}

/* ---- On which thread */

Test(coroutine, goes_on_where_callbacks_are_made, .description = "when it had to wait, and on its own thread when it had not") {
  outcome told;
  premap::file other = premap::open(make_file("file", 10, 1).text, {.callback = note_thread, .user_data = &told});
  told.wait();
  premap::async_file file = open_slow();
  outcome waited, at_once;
  await_end(file, waited);
  cr_expect_eq(waited.times, 0);
  file->cancel();
  waited.wait();
  cr_expect(waited.error == PREMAP_ECANCELED && waited.thread == told.thread);
  await_end(file, at_once);
  cr_expect(at_once.times == 1 && at_once.thread == std::this_thread::get_id() && at_once.error == PREMAP_ECANCELED);
}

Test(coroutine, goes_on_on_the_loop, .description = "of a loader that was attached to one, from within uv_run") {
  uv_loop_t loop;
  premap_loader *loader;
  cr_assert_eq(uv_loop_init(&loop), 0);
  cr_assert_eq(premap_loader_attach(&loader, &loop, nullptr), 0);
  path name = make_file("file", MIB, 1);
  std::deque<premap::async_file> files;
  std::deque<outcome> outcomes(20);
  for (outcome &each : outcomes) {
    files.push_back(premap::open_async(name.text, {.loader = loader}));
    await_end(files.back(), each);
  }
  while (uv_run(&loop, UV_RUN_DEFAULT) != 0) {
  }
  for (outcome &each : outcomes)
    cr_expect(each.times == 1 && !each.error && each.size == MIB && each.thread == std::this_thread::get_id());
  premap_loader_detach(loader, nullptr, nullptr);
  cr_expect_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
  cr_expect_eq(uv_loop_close(&loop), 0);
}

/* Runs coroutines where run is called. */
struct run_queue {
  std::mutex lock;
  std::condition_variable changed;
  std::deque<std::coroutine_handle<>> ready;
  std::thread::id handed_over_on;

  void run_one() {
    std::unique_lock locked(lock);
    changed.wait(locked, [this] { return !ready.empty(); });
    std::coroutine_handle<> next = ready.front();
    ready.pop_front();
    locked.unlock();
    next.resume();
  }
};

Test(coroutine, goes_on_where_the_user_wants,
     .description = "the resumer is given the coroutine on the thread of callbacks, once") {
  path name = make_file("file", 300 * KIB, 1);
  run_queue queue;
  auto resumer = [&queue, owned = std::make_unique<int>(0)](std::coroutine_handle<> coroutine) {
    std::lock_guard locked(queue.lock);
    ++*owned;
    queue.ready.push_back(coroutine);
    queue.handed_over_on = std::this_thread::get_id();
    queue.changed.notify_one();
  };
  std::stop_source source;
  premap::async_file file = premap::open_async_on(std::move(resumer), name.text, slow, source.get_token());
  outcome outcome;
  await_end(file, outcome);
  source.request_stop();
  queue.run_one();
  cr_expect(outcome.times == 1 && outcome.thread == std::this_thread::get_id() && outcome.error == PREMAP_ECANCELED);
  cr_expect(queue.handed_over_on != std::this_thread::get_id() && queue.ready.empty());
  auto unused = [](std::coroutine_handle<>) {};
  std::error_code error;
  cr_expect(!premap::open_async_on(unused, "", {}, {}, error) && error == PREMAP_EINVAL);
}

/* ---- Stopping */

Test(coroutine, stopped_before, .description = "it was opened: the load is cancelled, and tells so as ever") {
  std::stop_source source;
  source.request_stop();
  premap::async_file file = open_slow(source.get_token());
  outcome outcome;
  await_end(file, outcome);
  outcome.wait();
  cr_expect(outcome.error == PREMAP_ECANCELED && outcome.times == 1);
}

Test(coroutine, stopped_while_suspended, .description = "goes on where callbacks are made, not where it was asked to stop") {
  std::stop_source source;
  premap::async_file file = open_slow(source.get_token());
  outcome outcome;
  await_end(file, outcome);
  cr_assert(reaches_state(file->get(), PREMAP_LOADING));
  cr_expect_eq(outcome.times, 0);
  source.request_stop();
  outcome.wait();
  cr_expect(outcome.error == PREMAP_ECANCELED && outcome.thread != std::this_thread::get_id());
}

Test(coroutine, stopped_after,
     .description = "what is ready stays so; a source may outlive the file, and the file its source") {
  auto source = std::make_unique<std::stop_source>();
  premap::async_file file = premap::open_async(make_file("file", 10, 1).text, {}, source->get_token());
  outcome outcome;
  await_end(file, outcome);
  outcome.wait();
  source->request_stop();
  cr_expect(!outcome.error && file->is_ready());
  (void)open_slow(source->get_token());
  premap::async_file other = open_slow(std::stop_source().get_token());
  source.reset();
  cr_expect(file->is_ready() && !other->is_failed());
}

enum { RACES = 500 };

struct race {
  path name;
  std::atomic<int> next{0};
  std::deque<outcome> outcomes{RACES};
};

static void race_to_stop(void *shared, unsigned) {
  auto *of = static_cast<race *>(shared);
  for (int i; (i = of->next++) < RACES;) {
    std::stop_source source;
    outcome &to = of->outcomes[static_cast<std::size_t>(i)];
    premap::async_file file = premap::open_async(of->name.text, {}, source.get_token());
    await_end(file, to);
    if (i % 2 == 0)
      async_yield();
    source.request_stop();
    to.wait();
  }
}

Test(coroutine, stopping_races_with_the_end, .description = "each goes on once, with the one or the other") {
  static race race;
  race.name = make_file("file", 10, 1);
  run_threads(4, race_to_stop, &race);
  for (outcome &each : race.outcomes)
    cr_expect(each.times == 1 && (each.error ? each.error == PREMAP_ECANCELED : each.size == 10));
}

/* ---- Ends that are not awaited */

Test(coroutine, nobody_awaits, .description = "files are dropped before and after their end, unfinished ones are cancelled") {
  path name = make_file("file", 10, 1);
  premap_file dropped;
  {
    premap::async_file file = open_slow();
    dropped = file->get();
    premap::async_file ready = premap::open_async(name.text);
    cr_expect(reaches_state(ready->get(), PREMAP_READY));
    premap::async_file moved = std::move(ready);
    cr_expect(!ready && moved->is_ready());
  }
  cr_expect_eq(premap_state(dropped), PREMAP_EBADF);
}

Test(coroutine, destroyed_while_suspended, .description = "is not resumed, and another may await instead") {
  std::stop_source source;
  premap::async_file file = open_slow(source.get_token());
  outcome never, instead;
  await_end(file, never).handle.destroy();
  await_end(file, instead);
  source.request_stop();
  instead.wait();
  cr_expect(never.times == 0 && instead.error == PREMAP_ECANCELED);
  {
    premap::async_file last = open_slow();
    await_end(last, never).handle.destroy();
  }
  cr_expect_eq(premap_shutdown(-1), 0);
  cr_expect_eq(never.times, 0);
}

static routine destroy_other(premap::async_file &file, std::coroutine_handle<> &other, outcome &to) {
  to.error = co_await file.ended();
  other.destroy();
  to.note();
}

Test(coroutine, destroyed_by_another, .description = "that goes on just before, on the thread where it would have") {
  premap::async_file first = open_slow(), second = open_slow();
  outcome never, destroyer;
  std::coroutine_handle<> handle = await_end(second, never).handle;
  destroy_other(first, handle, destroyer);
  first->cancel();
  second->cancel();
  destroyer.wait();
  cr_expect_eq(premap_shutdown(-1), 0);
  cr_expect(never.times == 0 && destroyer.times == 1);
}

Test(coroutine, closed_while_awaited,
     .description = "the coroutine is told that it was cancelled; an empty file is no handle") {
  premap::async_file file = open_slow();
  outcome outcome, empty;
  await_end(file, outcome);
  file.reset();
  outcome.wait();
  cr_expect(outcome.error == PREMAP_ECANCELED && !file);
  await_end(file, empty);
  cr_expect(empty.times == 1 && empty.error == PREMAP_EBADF);
}

Test(coroutine, only_one_waits, .description = "a second is refused while the first does, and not once the file has ended") {
  premap::async_file file = open_slow();
  outcome first, second, third;
  await_end(file, first);
  await_end(file, second);
  cr_expect(second.times == 1 && second.error == PREMAP_EINVAL && first.times == 0);
  file->cancel();
  first.wait();
  await_end(file, third);
  cr_expect(third.times == 1 && third.error == PREMAP_ECANCELED && first.error == PREMAP_ECANCELED);
}

/* ---- Many */

static routine await_many(const path &name, outcome &to) {
  std::vector<premap::async_file> files;
  for (int i = 0; i < 300; i++)
    files.push_back(premap::open_async(name.text));
  for (const premap::async_file &file : files)
    to.size += (co_await file).size();
  to.note();
}

Test(coroutine, many_at_once, .description = "loaded side by side, and awaited by one coroutine or by as many") {
  path name = make_file("file", 1000, 1);
  outcome one;
  await_many(name, one);
  one.wait();
  cr_expect_eq(one.size, 300 * 1000);
  std::deque<outcome> outcomes(300);
  std::deque<premap::async_file> files;
  for (outcome &each : outcomes) {
    files.push_back(premap::open_async(name.text));
    await_end(files.back(), each);
  }
  for (outcome &each : outcomes) {
    each.wait();
    cr_expect(!each.error && each.size == 1000);
  }
}
