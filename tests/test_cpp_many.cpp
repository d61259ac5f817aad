/* SPDX-License-Identifier: MIT
 *
 * test_cpp_many.cpp - premap.hpp: waiting and stopping, groups, queues and loaders.
 */
#include <premap/premap.hpp>

#include "support.h"

#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

using namespace std::literals;

TestSuite(cpp_many, .init = support_begin, .fini = support_end, .timeout = SECONDS(60));

static_assert(premap::detail::timeout_of(0s) == 0 && premap::detail::timeout_of(-1s) == 0);
static_assert(premap::detail::timeout_of(1ns) == 1 && premap::detail::timeout_of(1500us) == 2);
static_assert(premap::detail::timeout_of(1.5s) == 1500 && premap::detail::timeout_of(2h) == 7'200'000);
static_assert(premap::detail::timeout_of(std::chrono::hours::max()) == INT64_MAX / 2);
static_assert(premap::detail::timeout_of(std::chrono::duration<double>(1e300)) == INT64_MAX / 2);

/* slow_options in C++. */
static const premap::options slow = {.prefault = premap::prefault::advise,
                                     .backing = premap::backing::mapped,
                                     .chunk_size = PREMAP_CHUNK_SIZE_MIN,
                                     .pause = PREMAP_PAUSE_MAX_US * 1us};

static premap::file open_slow() {
  return premap::open(make_slow_file().text, slow);
}

/* Keeps the only thread of the pool busy. */
static premap::file keep_pool_busy() {
  set_pool_size("1");
  premap::options options = slow;
  options.priority = PREMAP_PRIORITY_MAX;
  premap::file file = premap::open(make_file("gate", SLOW_SIZE, 1).text, options);
  cr_assert(reaches_state(file.get(), PREMAP_LOADING));
  return file;
}

template <class Call> static int code_thrown_by(Call call) {
  try {
    call();
  } catch (const premap::error &error) {
    return error.code().value();
  }
  return 0;
}

/* ---- Waiting */

Test(cpp_many, time_that_passes_is_no_error, .description = "the load goes on; a cancelled file fails") {
  premap::file file = open_slow();
  std::error_code error = PREMAP_EIO;
  cr_expect(!file.wait_for(1ms) && !file.wait_for(0ns, error) && !error);
  cr_expect(!file.is_failed() && file.bytes(error).empty() && error == PREMAP_EAGAIN);
  file.cancel();
  cr_expect(!file.wait_for(1h, error) && error == PREMAP_ECANCELED && error == std::errc::operation_canceled);
  cr_expect_eq(code_thrown_by([&] { (void)file.wait(); }), PREMAP_ECANCELED);
  cr_expect(file.state() == premap::load_state::failed);
  premap::file ready = premap::open(make_file("file", 10, 1).text);
  cr_expect(ready.wait_for(std::chrono::hours::max()) && ready.wait_for(0s, error) && !error);
}

Test(cpp_many, created_files_are_started, .description = "by start or by a wait; priority and deadline can change") {
  path name = make_file("file", 10, 1);
  premap::file file = premap::create(name.text);
  cr_expect(file.state() == premap::load_state::pending);
  file.set_priority(5);
  file.set_deadline(1h);
  file.clear_deadline();
  file.start();
  cr_expect(reaches_state(file.get(), PREMAP_READY));
  std::error_code error = PREMAP_EIO;
  premap::file other = premap::create(name.text);
  other.clear_deadline(error);
  cr_expect_not(error);
  other.start(error);
  cr_expect(!error && other.wait_for(1h, error));
  cr_expect_eq(code_thrown_by([] { premap::file().start(); }), PREMAP_EBADF);
  cr_expect_eq(code_thrown_by([] { premap::file().clear_deadline(); }), PREMAP_EBADF);
  cr_expect_eq(code_thrown_by([&] { file.set_priority(1000); }), PREMAP_EINVAL);
}

/* ---- Stopping */

Test(cpp_many, stopped_before, .description = "the load is cancelled, and both forms of wait say so") {
  std::stop_source source;
  source.request_stop();
  std::error_code error;
  premap::file file = open_slow();
  cr_expect(file.wait(source.get_token(), error).empty() && error == PREMAP_ECANCELED);
  premap::file other = open_slow();
  cr_expect_eq(code_thrown_by([&] { (void)other.wait(source.get_token()); }), PREMAP_ECANCELED);
  cr_expect(other.error() == PREMAP_ECANCELED);
}

Test(cpp_many, stopped_during, .description = "by another thread, while a pool thread or the waiting one loads") {
  for (bool is_waiters : {false, true}) {
    premap::file file = is_waiters ? premap::create(make_slow_file().text, slow) : open_slow();
    cr_assert(is_waiters || reaches_state(file.get(), PREMAP_LOADING));
    std::stop_source source;
    std::error_code error;
    std::thread waiting([&] { (void)file.wait(source.get_token(), error); });
    cr_expect(reaches_state(file.get(), PREMAP_LOADING));
    source.request_stop();
    waiting.join();
    cr_expect(error == PREMAP_ECANCELED);
  }
}

Test(cpp_many, stopped_after, .description = "what is ready stays so, whether asked while it waited or not") {
  std::stop_source source;
  premap::file file = premap::open(make_file("file", 10, 1).text);
  std::error_code error;
  cr_expect(file.wait(source.get_token()).size() == 10);
  cr_expect(file.wait(source.get_token(), error).size() == 10 && !error);
  source.request_stop();
  cr_expect(file.is_ready() && file.wait(source.get_token()).size() == 10);
  cr_expect(premap::load(path_of("file").text).wait(std::stop_token()).size() == 10);
}

/* ---- Groups */

Test(cpp_many, a_group_is_gone_through, .description = "each file once as it ends, failed ones too; then there is no more") {
  premap::group group({.user_data = &group});
  std::set<premap_file> added;
  for (int i = 0; i < 20; i++)
    added.insert(group.add(make_file(std::to_string(i).c_str(), 100, 1).text).get());
  premap::file_ref missing = group.add(path_of("missing").text);
  added.insert(missing.get());
  for (const premap::completion &ended : group) {
    cr_expect_eq(added.erase(ended.file.get()), 1);
    cr_expect_eq(ended.user_data, &group);
    cr_expect_not(ended.is_partial());
    if (ended.file.get() == missing.get())
      cr_expect(ended.error() == PREMAP_ENOENT && ended.file.message().starts_with("open '"));
    else
      cr_expect(!ended.error() && pattern_equals(ended.file.bytes().data(), ended.file.bytes().size(), 1, 0));
  }
  cr_expect(added.empty() && group.begin() == group.end());
  std::error_code error = PREMAP_EIO;
  cr_expect(!group.next() && !group.next(error) && !error);
}

Test(cpp_many, a_group_ends, .description = "with the first error, and its progress; its files with it, but those shared") {
  std::optional<premap::group> group(std::in_place);
  premap::file kept = group->add(make_file("file", 1000, 1).text).share();
  premap::file_ref other = group->add(path_of("file").text);
  group->start();
  group->wait();
  group->wait_for(0s);
  std::error_code error = PREMAP_EIO;
  cr_expect(group->progress().files_ended == 2 && group->progress(error).bytes_done == 2000 && !error);
  (void)group->add(path_of("missing").text, error);
  cr_expect_not(error);
  group->start(error);
  cr_expect_not(error);
  group->wait(error);
  cr_expect(error == PREMAP_ENOENT);
  cr_expect_eq(code_thrown_by([&] { group->wait(); }), PREMAP_ENOENT);
  cr_expect_eq(code_thrown_by([&] { group->wait_for(1h); }), PREMAP_ENOENT);
  group.reset();
  cr_expect(!other.is_ready() && other.error() == PREMAP_EBADF && kept.bytes().size() == 1000);
}

Test(cpp_many, time_of_a_group_runs_out, .description = "which is an error; cancelling ends what waits") {
  premap::file gate = keep_pool_busy();
  premap::group group;
  premap::file_ref file = group.add(make_file("file", 10, 1).text);
  std::error_code error;
  cr_expect(!group.next_for(1ms, error) && error == PREMAP_ETIMEDOUT);
  group.wait_for(1ms, error);
  cr_expect(error == PREMAP_ETIMEDOUT);
  cr_expect_eq(code_thrown_by([&] { group.wait_for(1ms); }), PREMAP_ETIMEDOUT);
  cr_expect_eq(code_thrown_by([&] { (void)group.next_for(1ms); }), PREMAP_ETIMEDOUT);
  group.cancel();
  std::optional<premap::completion> ended = group.next_for(1h);
  cr_assert(ended.has_value());
  cr_expect(ended->file.get() == file.get() && ended->error() == PREMAP_ECANCELED);
}

Test(cpp_many, a_directory_is_added, .description = "as its files; a bad path adds nothing") {
  cr_assert_eq(make_directory(path_of("tree").text), 0);
  make_file("tree/one", 1, 1);
  make_file("tree/two", 2, 1);
  premap::group group;
  std::error_code error = PREMAP_EIO;
  cr_expect_eq(group.add_directory(path_of("tree").text), 2);
  cr_expect(group.add_directory(path_of("tree").text, error) == 2 && !error);
  cr_expect(group.add_directory("", error) == 0 && error == PREMAP_EINVAL);
  cr_expect(!group.add("a\0b"s, error) && error == PREMAP_EINVAL);
  cr_expect(group.add_directory("a\0b"s, error) == 0 && error == PREMAP_EINVAL);
  cr_expect_eq(code_thrown_by([&] { (void)group.add(""); }), PREMAP_EINVAL);
  cr_expect_eq(code_thrown_by([&] { (void)group.add_directory(""); }), PREMAP_EINVAL);
  cr_expect_eq(group.progress().files, 4);
  cr_expect(!premap::group({.pause = -1us}, error) && error == PREMAP_EINVAL);
  cr_expect_eq(code_thrown_by([] { premap::group bad({.pause = -1us}); }), PREMAP_EINVAL);
}

Test(cpp_many, moved_groups_are_empty, .description = "as are queues and loaders, and whatever is asked of them fails") {
  premap::group from, group = std::move(from);
  std::error_code error;
  cr_expect(!from && group && !from.add("x", error) && error == PREMAP_EINVAL);
  cr_expect_eq(code_thrown_by([&] { from.start(); }), PREMAP_EINVAL);
  cr_expect_eq(code_thrown_by([&] { (void)from.next(); }), PREMAP_EINVAL);
  cr_expect_eq(code_thrown_by([&] { (void)from.progress(); }), PREMAP_EINVAL);
  from.cancel();
  premap::queue from_queue, queue = std::move(from_queue);
  cr_expect(!from_queue && queue && from_queue.descriptor() == PREMAP_EINVAL);
  cr_expect_eq(code_thrown_by([&] { (void)from_queue.next(); }), PREMAP_EINVAL);
  cr_expect_eq(code_thrown_by([&] { (void)from_queue.next_for(0s); }), PREMAP_EINVAL);
  premap::loader from_loader, loader = std::move(from_loader);
  cr_expect(!from_loader && loader);
  cr_expect_eq(code_thrown_by([&] { from_loader.drain(); }), PREMAP_EINVAL);
  cr_expect_eq(code_thrown_by([&] { (void)from_loader.metrics(); }), PREMAP_EINVAL);
  cr_expect_eq(code_thrown_by([&] { from_loader.close(); }), PREMAP_EINVAL);
  group.reset();
  queue.reset();
  cr_expect(!group && !queue);
}

/* ---- Queues */

Test(cpp_many, a_queue_gives_what_ended,
     .description = "one by one, with the user's data; nothing, which is no error, in time") {
  premap::queue queue;
  std::error_code error = PREMAP_EIO;
  cr_expect(queue.descriptor() >= 0 && !queue.next_for(1ms) && !queue.next_for(0s, error) && !error);
  std::vector<premap::file> files;
  int data[3];
  path name = make_file("file", 10, 1);
  for (int &item : data)
    files.push_back(premap::open(name.text, {.queue = queue.get(), .user_data = &item}));
  files.push_back(premap::open(path_of("missing").text, {.queue = queue.get()}));
  std::set<void *> seen;
  for (int i = 0; i < 4; i++) {
    premap::completion ended = queue.next();
    seen.insert(ended.user_data);
    cr_expect(ended.user_data != nullptr ? ended.file.bytes().size() == 10 : ended.error() == PREMAP_ENOENT);
  }
  cr_expect_eq(seen.size(), 4);
  premap::file last = premap::open(name.text, {.queue = queue.get()});
  std::optional<premap::completion> ended = queue.next(error);
  cr_assert(ended.has_value());
  cr_expect(!error && ended->file.get() == last.get());
}

/* ---- Loaders */

Test(cpp_many, a_loader_has_limits, .description = "which its metrics show; a full one refuses") {
  const premap::loader_options limits = {.workers_max = 1,
                                         .queued_max = 1,
                                         .bytes_in_flight_max = 1 << 20,
                                         .open_files_max = 3,
                                         .maps_max = 4,
                                         .memory_max = 1 << 30};
  premap::loader loader(limits);
  premap::options options = slow;
  options.loader = loader.get();
  path name = make_slow_file();
  premap::file loading = premap::open(name.text, options);
  cr_assert(reaches_state(loading.get(), PREMAP_LOADING));
  premap_loader_metrics metrics = loader.metrics();
  cr_expect(metrics.workers_max == 1 && metrics.queued_max == 1 && metrics.bytes_in_flight_max == 1 << 20);
  cr_expect(metrics.open_files_max == 3 && metrics.maps_max == 4 && metrics.memory_max == 1 << 30);
  premap::file queued = premap::open(name.text, options);
  std::error_code error;
  cr_expect(!premap::open(name.text, options, error) && error == PREMAP_ENOBUFS);
  loader.drain_for(1ms, error);
  cr_expect(error == PREMAP_ETIMEDOUT);
  cr_expect_eq(code_thrown_by([&] { loader.drain_for(1ms); }), PREMAP_ETIMEDOUT);
  metrics = loader.metrics(error);
  cr_expect_not(error);
  loading.cancel();
  queued.cancel();
  loader.drain();
  loader.drain(error);
  cr_expect(!error && loader.metrics().cancelled == metrics.cancelled + 2);
  loader.close();
  cr_expect_not(loader);
}

Test(cpp_many, a_full_loader_may_wait, .description = "until there is room, if its owner said so") {
  premap::loader loader({.workers_max = 1, .queued_max = 1, .queued_wait = -1ms});
  premap::options options = slow;
  options.loader = loader.get();
  premap::file loading = premap::open(make_file("slow", 2 * PREMAP_CHUNK_SIZE_MIN, 1).text, options); /* takes a second */
  cr_assert(makes_progress(loading.get())); /* or it has ended by now: then there was room */
  path name = make_file("file", 10, 1);
  premap::file queued = premap::open(name.text, {.loader = loader.get()});
  std::error_code error;
  premap::file waited = premap::open(name.text, {.loader = loader.get()}, error);
  cr_expect(!error && loading.is_ready() && waited.wait().size() == 10);
}

Test(cpp_many, closing_a_loader_cancels, .description = "with and without waiting; what is ready stays") {
  for (int how = 0; how < 3; how++) {
    std::optional<premap::loader> loader(std::in_place);
    premap::options options = slow;
    premap::file ready = premap::load(make_file("file", 10, 1).text, {.loader = loader->get()});
    options.loader = loader->get();
    premap::file file = premap::open(make_slow_file().text, options);
    std::error_code error = PREMAP_EIO;
    if (how == 0)
      loader->close(error);
    else if (how == 1)
      loader->close_for(1h, error);
    loader.reset();
    cr_expect(file.error() == PREMAP_ECANCELED && ready.bytes().size() == 10);
    cr_expect(how == 2 || !error);
  }
}
