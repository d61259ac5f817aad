/* SPDX-License-Identifier: MIT
 *
 * cpp_plain.cpp - premap.hpp in a program compiled without exceptions and run-time types: its calls with error codes are all
 * there. Arguments: a file that is there.
 */
#include <premap/premap.hpp>

#include <chrono>
#include <cstdio>

#ifdef __cpp_exceptions
#error "this is to be compiled without exceptions"
#endif

static bool loads(const char *path) {
  std::error_code error;
  premap::file file = premap::open(path, {}, error);
  if (error || file.wait(error).empty() || error)
    return false;
  premap::file other = file.share(error);
  file.reset();
  return !error && !other.bytes(error).empty() && other.wait_for(std::chrono::seconds(0), error) && !error;
}

static bool fails(const char *path) {
  std::error_code error;
  premap::file file = premap::load(path, {}, error);
  return error == std::errc::no_such_file_or_directory && !file.message().empty() && file.bytes(error).empty();
}

static bool goes_through_a_group(const char *path) {
  std::error_code error;
  premap::group group({}, error);
  (void)group.add(path, error);
  (void)group.add("", error);
  if (error != PREMAP_EINVAL)
    return false;
  int count = 0;
  while (std::optional<premap::completion> ended = group.next(error))
    count += !ended->error() && !ended->file.bytes(error).empty();
  return count == 1 && !error;
}

static bool takes_from_a_queue(const char *path) {
  std::error_code error;
  premap::queue queue(error);
  premap::loader loader({.workers_max = 1}, error);
  premap::file file = premap::open(path, {.queue = queue.get(), .loader = loader.get()}, error);
  std::optional<premap::completion> ended = queue.next(error);
  return ended && ended->file.get() == file.get() && !ended->error();
}

int main(int argc, char **argv) {
  if (argc != 2)
    return 2;
  const struct {
    const char *name;
    bool passed;
  } tests[] = {{"a file is loaded", loads(argv[1])},
               {"a missing file is an error code", fails("/nowhere/missing")},
               {"a group is gone through", goes_through_a_group(argv[1])},
               {"a queue gives what ended", takes_from_a_queue(argv[1])}};
  int status = 0;
  for (const auto &test : tests) {
    std::printf("[%s] cpp_plain: %s\n", test.passed ? "PASS" : "FAIL", test.name);
    status |= test.passed ? 0 : 1;
  }
  return status;
}
