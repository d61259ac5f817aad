/* SPDX-License-Identifier: MIT
 *
 * test_cpp.cpp - premap.hpp: files, their errors in both forms, paths and options. Waiting and what is many: test_cpp_many.cpp.
 */
#include <premap/premap.hpp>

#include "support.h"

#include <cstring>
#include <filesystem>
#include <string>

using namespace std::literals;

TestSuite(cpp, .init = support_begin, .fini = support_end, .timeout = SECONDS(60));

static_assert(sizeof(premap::file) == sizeof(premap_file));
static_assert(std::is_nothrow_move_constructible_v<premap::file> && std::is_nothrow_move_assignable_v<premap::file>);
static_assert(!std::is_copy_constructible_v<premap::file> && std::is_trivially_copyable_v<premap::file_ref>);
static_assert(!std::is_convertible_v<premap_file, premap::file> && !std::is_convertible_v<premap::file_ref, premap::file>);

/* What a call throws; nothing where it throws nothing. */
template <class Call> static std::optional<premap::error> thrown_by(Call call) {
  try {
    call();
  } catch (const premap::error &error) {
    return error;
  }
  return std::nullopt;
}

template <class Call> static void expect_thrown(premap_code code, const std::string &what, Call call) {
  std::optional<premap::error> error = thrown_by(call);
  cr_assert(error.has_value(), "nothing was thrown for %s", what.c_str());
  cr_expect(error->code() == code, "%s", error->code().message().c_str());
  cr_expect_str_eq(error->what(), what.c_str());
}

static bool has_pattern(std::span<const std::byte> bytes, std::size_t size, std::uint32_t seed) {
  return bytes.size() == size && pattern_equals(bytes.data(), bytes.size(), seed, 0);
}

/* ---- Errors */

Test(cpp, codes_are_error_codes, .description = "with the library's texts, and those of std::errc that mean the same") {
#define XX(name, windows, text)                                                                                                \
  {                                                                                                                            \
    std::error_code code = PREMAP_##name;                                                                                      \
    cr_expect(code == PREMAP_##name && code == std::error_condition(name, std::generic_category()), #name);                    \
    cr_expect(code.message() == text);                                                                                         \
  }
  PREMAP_ERRNO_MAP(XX)
#undef XX
  std::error_code missing = PREMAP_ENOENT;
  cr_expect(missing == std::errc::no_such_file_or_directory && missing != std::errc::io_error && missing != PREMAP_EIO);
  cr_expect(missing.category() == premap::category());
  cr_expect_str_eq(premap::category().name(), "premap");
  cr_expect(std::error_code(PREMAP_EDEADLK) == std::errc::resource_deadlock_would_occur);
  std::error_code changed = PREMAP_ECHANGED;
  cr_expect(changed.default_error_condition().category() == premap::category() && changed != std::errc::io_error);
  cr_expect_not(std::error_code(PREMAP_OK));
}

Test(cpp, errors_are_thrown, .description = "with the file's sentence, as a std::system_error that can be copied") {
  path missing = path_of("missing");
  std::string sentence = "open '"s + missing.text + "': no such file or directory (ENOENT)";
  premap::file file = premap::open(missing.text);
  expect_thrown(PREMAP_ENOENT, sentence, [&] { (void)file.wait(); });
  expect_thrown(PREMAP_ENOENT, sentence, [&] { (void)file.bytes(); });
  expect_thrown(PREMAP_ENOENT, sentence, [&] { (void)file.writable_bytes(); });
  expect_thrown(PREMAP_ENOENT, sentence, [&] { (void)file.wait_for(1h); });
  expect_thrown(PREMAP_ENOENT, sentence, [&] { (void)premap::load(missing.text); });
  expect_thrown(PREMAP_EINVAL, "set_priority: invalid argument (EINVAL)", [&] { file.set_priority(1000); });
  std::unique_ptr<std::system_error> copy;
  try {
    (void)file.wait();
  } catch (const std::system_error &error) {
    copy = std::make_unique<premap::error>(dynamic_cast<const premap::error &>(error));
  }
  cr_assert(copy != nullptr);
  cr_expect_str_eq(copy->what(), sentence.c_str());
  cr_expect(copy->code() == std::errc::no_such_file_or_directory);
}

Test(cpp, errors_are_codes, .description = "where one is asked for; it is cleared by what succeeds") {
  path missing = path_of("missing"), present = make_file("present", 100, 1);
  std::error_code error;
  premap::file file = premap::open(missing.text, {}, error);
  cr_assert(!error && file);
  cr_expect(file.wait(error).empty() && error == PREMAP_ENOENT);
  error.clear();
  cr_expect(file.bytes(error).data() == nullptr && error == PREMAP_ENOENT);
  cr_expect(file.state() == premap::load_state::failed && file.is_failed() && !file.is_ready());
  cr_expect(file.error() == PREMAP_ENOENT);
  cr_expect(file.message() == "open '"s + missing.text + "': no such file or directory (ENOENT)");
  cr_expect(file.path() == missing.text);
  premap::file loaded = premap::load(present.text, {}, error);
  cr_expect(!error && has_pattern(loaded.bytes(error), 100, 1) && !error);
  cr_expect(loaded.state() == premap::load_state::ready && !loaded.is_failed() && loaded.is_ready());
  cr_expect(!loaded.error() && loaded.message().empty());
}

Test(cpp, a_failed_load_is_kept_for_its_message, .description = "with an error code; other ways to open give nothing then") {
  std::error_code error;
  premap::file file = premap::load(path_of("missing").text, {}, error);
  cr_expect(error == PREMAP_ENOENT && file.error() == PREMAP_ENOENT && !file.message().empty());
  cr_expect(!premap::load("", {}, error) && error == PREMAP_EINVAL);
  cr_expect(!premap::open("", {}, error) && error == PREMAP_EINVAL);
  cr_expect(!premap::create("", {}, error) && error == PREMAP_EINVAL);
  cr_expect(!premap::open_descriptor(-1, {}, error) && error == PREMAP_EBADF);
  expect_thrown(PREMAP_EINVAL, "create: invalid argument (EINVAL)", [] { (void)premap::load(""); });
  expect_thrown(PREMAP_EINVAL, "create: invalid argument (EINVAL)", [] { (void)premap::create(""); });
  expect_thrown(PREMAP_EINVAL, "open: invalid argument (EINVAL)", [] { (void)premap::open(""); });
  expect_thrown(PREMAP_EBADF, "open_descriptor: not a valid handle (EBADF)", [] { (void)premap::open_descriptor(-1); });
}

/* ---- Ownership */

Test(cpp, a_file_closes_itself, .description = "at the end of its scope, when assigned to, and by reset") {
  path name = make_file("file", 300 * KIB, 1);
  premap_file handle;
  {
    premap::file file = premap::open(name.text);
    handle = file.get();
    cr_expect(has_pattern(file.wait(), 300 * KIB, 1));
    cr_expect(has_pattern(file.bytes(), 300 * KIB, 1));
  }
  cr_expect_eq(premap_state(handle), PREMAP_EBADF);
  premap::file file = premap::load(name.text);
  handle = file.get();
  file = premap::open(name.text);
  cr_expect_eq(premap_state(handle), PREMAP_EBADF);
  handle = file.get();
  file.reset();
  cr_expect(premap_state(handle) == PREMAP_EBADF && !file);
  file = premap::load(name.text);
  handle = file.get();
  file.reset_async();
  file.reset_async();
  cr_expect(premap_state(handle) == PREMAP_EBADF && !file);
}

Test(cpp, moved_files_are_empty, .description = "and whatever is asked of them is PREMAP_EBADF") {
  premap::file from = premap::load(make_file("file", 10, 1).text);
  premap_file handle = from.get();
  premap::file file = std::move(from);
  cr_expect(file.get() == handle && has_pattern(file.bytes(), 10, 1));
  cr_expect(!from && from.get() == 0 && from.state() == premap::load_state::failed && !from.is_ready());
  std::error_code error;
  cr_expect(from.wait(error).empty() && error == PREMAP_EBADF);
  cr_expect(!from.share(error) && error == PREMAP_EBADF);
  expect_thrown(PREMAP_EBADF, "wait: not a valid handle (EBADF)", [&] { (void)from.wait(); });
  expect_thrown(PREMAP_EBADF, "bytes: not a valid handle (EBADF)", [&] { (void)from.bytes(); });
  expect_thrown(PREMAP_EBADF, "share: not a valid handle (EBADF)", [&] { (void)from.share(); });
  from.cancel();
  cr_expect(from.progress().total == 0 && from.message().empty() && from.error() == PREMAP_EBADF);
  premap::file &same = file;
  file = std::move(same);
  cr_expect(file.get() == handle && file.is_ready());
  swap(file, from);
  cr_expect(from.get() == handle && !file);
  premap_file released = from.release();
  cr_expect(released == handle && !from && premap_is_ready(released) == 1);
  file.reset(released);
  cr_expect(file.is_ready());
}

Test(cpp, a_shared_file_has_two_owners, .description = "and lives as long as either; references own nothing") {
  premap::file one = premap::load(make_file("file", 300 * KIB, 1).text);
  premap::file other = one.share();
  premap::file_ref reference = one;
  one.reset();
  cr_expect(has_pattern(other.bytes(), 300 * KIB, 1) && has_pattern(reference.bytes(), 300 * KIB, 1));
  premap::file third = reference.share();
  other.reset();
  cr_expect(has_pattern(third.bytes(), 300 * KIB, 1));
  third.reset();
  std::error_code error;
  cr_expect(reference.bytes(error).empty() && error == PREMAP_EBADF);
}

/* ---- Paths and options */

Test(cpp, paths_of_all_types, .description = "UTF-8 or std::filesystem's, with or without a NUL at their end") {
  const std::string directory = path_of("").text;
  const std::u8string name = u8"gr\u00f6\u00dfe \u65e5\u672c";
  const std::u8string whole = std::u8string(directory.begin(), directory.end()) + u8"/" + name;
  const std::string narrow(whole.begin(), whole.end());
  make_file(std::string(name.begin(), name.end()).c_str(), 100, 7);
  const std::string longer = narrow + "longer";
  const std::u8string longer8 = whole + u8"longer";
  const std::string_view view = std::string_view(longer).substr(0, narrow.size());
  const std::u8string_view view8 = std::u8string_view(longer8).substr(0, whole.size());
  cr_expect(has_pattern(premap::load(narrow.c_str()).bytes(), 100, 7));
  cr_expect(has_pattern(premap::load(whole.c_str()).bytes(), 100, 7));
  cr_expect(has_pattern(premap::load(narrow).bytes(), 100, 7));
  cr_expect(has_pattern(premap::load(whole).bytes(), 100, 7));
  cr_expect(has_pattern(premap::load(view).bytes(), 100, 7));
  cr_expect(has_pattern(premap::load(view8).bytes(), 100, 7));
  cr_expect(has_pattern(premap::load(std::filesystem::path(whole)).bytes(), 100, 7));
}

Test(cpp, bad_paths, .description = "null, empty, and with a NUL in the middle, which would name another file") {
  const std::string name = make_file("file", 10, 1).text;
  const std::string split = name + '\0' + "rest"s;
  std::error_code error;
  cr_expect(!premap::open(static_cast<const char *>(nullptr), {}, error) && error == PREMAP_EINVAL);
  cr_expect(!premap::open(std::string_view(), {}, error) && error == PREMAP_EINVAL);
  cr_expect(!premap::open(std::filesystem::path(), {}, error) && error == PREMAP_EINVAL);
  cr_expect(!premap::open(split, {}, error) && error == PREMAP_EINVAL);
  cr_expect(!premap::open(std::string_view(split), {}, error) && error == PREMAP_EINVAL);
  cr_expect(!premap::open(std::u8string(split.begin(), split.end()), {}, error) && error == PREMAP_EINVAL);
  cr_expect(!premap::open(std::filesystem::path(split), {}, error) && error == PREMAP_EINVAL);
  cr_expect(premap::open(name, {}, error) && !error);
}

static bool same_options(const premap_options &one, const premap_options &other) {
  return one.size == other.size && one.mode == other.mode && one.prefault == other.prefault && one.backing == other.backing &&
         one.advice == other.advice && one.flags == other.flags && one.pause_us == other.pause_us &&
         one.offset == other.offset && one.length == other.length && one.chunk_size == other.chunk_size &&
         one.beneath == other.beneath && one.priority == other.priority && one.deadline_ms == other.deadline_ms &&
         one.callback == other.callback && one.queue == other.queue && one.user_data == other.user_data &&
         one.loader == other.loader;
}

static void no_callback(premap_file, int, void *) noexcept {
}

Test(cpp, options_are_those_of_c, .description = "by default, and each of them") {
  premap_options plain;
  const premap_options defaults = PREMAP_OPTIONS_INIT;
  cr_expect(premap::options{}.to(plain) == PREMAP_OK && same_options(plain, defaults));
  premap_options all = PREMAP_OPTIONS_INIT;
  all.mode = PREMAP_COPY_ON_WRITE;
  all.prefault = PREMAP_PREFAULT_ADVISE;
  all.backing = PREMAP_BACKING_MAPPED;
  all.advice = PREMAP_ADVICE_WILL_NEED;
  all.flags = PREMAP_NOFOLLOW | PREMAP_BENEATH | PREMAP_KEEP_OPEN | PREMAP_LOCK | PREMAP_GENTLE | PREMAP_WAIT_FOR_MEMORY |
              PREMAP_INLINE_IF_CACHED | PREMAP_KNOWN_REGULAR | PREMAP_CACHE_ONLY;
  all.pause_us = 2000;
  all.offset = 1;
  all.length = 2;
  all.chunk_size = PREMAP_CHUNK_SIZE_MIN;
  all.beneath = 5;
  all.priority = -7;
  all.deadline_ms = 3000;
  all.callback = no_callback;
  all.queue = reinterpret_cast<premap_queue *>(&plain);
  all.user_data = &all;
  all.loader = reinterpret_cast<premap_loader *>(&all);
  const premap::options options = {.mode = premap::mode::copy_on_write,
                                   .prefault = premap::prefault::advise,
                                   .backing = premap::backing::mapped,
                                   .advice = premap::advice::will_need,
                                   .offset = 1,
                                   .length = 2,
                                   .chunk_size = PREMAP_CHUNK_SIZE_MIN,
                                   .pause = 2ms,
                                   .priority = -7,
                                   .deadline = 3s,
                                   .beneath = 5,
                                   .no_follow = true,
                                   .keep_open = true,
                                   .lock = true,
                                   .gentle = true,
                                   .wait_for_memory = true,
                                   .inline_if_cached = true,
                                   .known_regular = true,
                                   .cache_only = true,
                                   .callback = no_callback,
                                   .queue = all.queue,
                                   .user_data = &all,
                                   .loader = all.loader};
  cr_expect(options.to(plain) == PREMAP_OK && same_options(plain, all));
}

Test(cpp, flags_are_apart, .description = "each sets its own") {
  premap_options plain;
  const auto flags = [&](const premap::options &options) {
    cr_expect_eq(options.to(plain), PREMAP_OK);
    return plain.flags;
  };
  cr_expect_eq(flags({.beneath = 0}), PREMAP_BENEATH);
  cr_expect_eq(flags({.no_follow = true}), PREMAP_NOFOLLOW);
  cr_expect_eq(flags({.keep_open = true}), PREMAP_KEEP_OPEN);
  cr_expect_eq(flags({.lock = true}), PREMAP_LOCK);
  cr_expect_eq(flags({.gentle = true}), PREMAP_GENTLE);
  cr_expect_eq(flags({.wait_for_memory = true}), PREMAP_WAIT_FOR_MEMORY);
  cr_expect_eq(flags({.inline_if_cached = true}), PREMAP_INLINE_IF_CACHED);
  cr_expect_eq(flags({.known_regular = true}), PREMAP_KNOWN_REGULAR);
  cr_expect_eq(flags({.cache_only = true}), PREMAP_CACHE_ONLY);
}

Test(cpp, bad_options, .description = "times that have no place in premap_options are refused, not cut") {
  std::error_code error;
  for (std::chrono::microseconds pause : {-1us, PREMAP_PAUSE_MAX_US * 1us + 1us, (std::int64_t{1} << 32) * 1us}) {
    cr_expect(!premap::create("x", {.pause = pause}, error) && error == PREMAP_EINVAL);
    cr_expect(!premap::open_descriptor(0, {.pause = pause}, error) && error == PREMAP_EINVAL);
  }
  for (std::chrono::milliseconds deadline : {-1ms, (std::int64_t{1} << 32) * 1ms})
    cr_expect(!premap::create("x", {.deadline = deadline}, error) && error == PREMAP_EINVAL);
  cr_expect(!premap::create("x", {.mode = static_cast<premap::mode>(1)}, error) && error == PREMAP_EINVAL);
  cr_expect(premap::create("x", {.pause = PREMAP_PAUSE_MAX_US * 1us, .deadline = UINT32_MAX * 1ms}, error) && !error);
}

/* ---- The bytes */

Test(cpp, an_empty_file, .description = "has no bytes at an address that is not null") {
  premap::file file = premap::load(make_file("empty", 0, 1).text);
  cr_expect(file.bytes().empty() && file.bytes().data() != nullptr);
  cr_expect(file.wait().empty() && file.wait().data() != nullptr);
}

Test(cpp, bytes_can_be_written, .description = "to the file, or to this process alone") {
  path name = make_text("file", "0123456789");
  premap::file copied = premap::load(name.text, {.mode = premap::mode::copy_on_write});
  copied.writable_bytes()[0] = std::byte{'c'};
  premap::file written = premap::load(name.text, {.mode = premap::mode::read_write});
  std::error_code error;
  written.writable_bytes(error)[1] = std::byte{'w'};
  cr_expect_not(error);
  written.flush();
  premap::file read = premap::load(name.text, {.offset = 0, .length = 4});
  cr_expect(read.bytes().size() == 4 && std::memcmp(read.bytes().data(), "0w23", 4) == 0);
  cr_expect(copied.bytes()[0] == std::byte{'c'});
}

Test(cpp, a_descriptor_can_be_loaded, .description = "and stays the caller's") {
  uv_file own = open_own(make_file("file", 5000, 3).text, UV_FS_O_RDONLY);
  premap::file file = premap::open_descriptor(descriptor_of(own));
  cr_expect(has_pattern(file.wait(), 5000, 3));
  std::error_code error;
  premap::file again = premap::open_descriptor(descriptor_of(own), {.offset = 10, .length = 20}, error);
  cr_expect(!error && again.wait(error).size() == 20);
  close_own(own);
}

Test(cpp, what_becomes_of_a_file, .description = "info and progress") {
  premap::file file = premap::load(make_file("file", 300 * KIB, 1).text, {.backing = premap::backing::mapped});
  cr_expect(file.progress().done == 300 * KIB && file.progress().total == 300 * KIB);
  premap_file_info info = file.info();
  cr_expect(info.length == 300 * KIB && info.backing == PREMAP_BACKING_MAPPED && info.state == PREMAP_READY);
  std::error_code error = PREMAP_EIO;
  cr_expect(file.info(error).length == 300 * KIB && !error);
  expect_thrown(PREMAP_EBADF, "info: not a valid handle (EBADF)", [] { (void)premap::file().info(); });
}

/* Each form must say what premap.h says. */
template <class Codes, class Throws> static void expect_same(int code, Codes codes, Throws throws, const char *what) {
  std::error_code error = PREMAP_EIO;
  codes(error);
  cr_expect_eq(error.value(), code < 0 ? code : 0, "%s: %s is not %s", what, error.message().c_str(), premap_err_name(code));
  std::optional<premap::error> thrown = thrown_by(throws);
  cr_expect_eq(thrown ? thrown->code().value() : 0, code < 0 ? code : 0, "%s", what);
  if (code < 0)
    cr_expect(std::string_view(thrown->what()).starts_with(what), "%s: %s", what, thrown->what());
}

static void expect_same_calls(const premap::file &file, std::uint64_t offset, std::size_t length) {
  const premap_file handle = file.get();
  std::error_code error;
  std::vector<std::byte> copy(length);
  std::uint64_t bytes;
#define SAME(code, name, call, ...)                                                                                            \
  expect_same(                                                                                                                 \
      code, [&](std::error_code &to) { (void)file.call(__VA_ARGS__, to); }, [&] { (void)file.call(__VA_ARGS__); }, name)
  SAME(premap_populate(handle, offset, length), "populate", populate, offset, length);
  SAME(premap_advise(handle, offset, length, PREMAP_ADVICE_WILL_NEED), "advise", advise, offset, length,
       premap::advice::will_need);
  SAME(premap_resident(handle, offset, length, &bytes), "resident", resident, offset, length);
  SAME(premap_copy_out(handle, offset, copy.data(), copy.size()), "copy_out", copy_out, offset, copy);
  SAME(premap_flush(handle, offset, length), "flush", flush, offset, length);
  SAME(premap_lock(handle, offset, length), "lock", lock, offset, length);
  SAME(premap_unlock(handle, offset, length), "unlock", unlock, offset, length);
  SAME(premap_release(handle, offset, length), "drop_pages", drop_pages, offset, length);
  SAME(premap_set_priority(handle, 1), "set_priority", set_priority, 1);
  SAME(premap_set_priority(handle, 1000), "set_priority", set_priority, 1000);
  SAME(premap_set_deadline(handle, 1000), "set_deadline", set_deadline, 1s);
#undef SAME
}

Test(cpp, the_bytes_later,
     .description = "each call gives what premap.h's gives, for ranges in the file, beyond it, and early") {
  path name = make_file("file", MIB, 1);
  premap::file mapped = premap::load(name.text, {.backing = premap::backing::mapped});
  expect_same_calls(mapped, 0, MIB);
  expect_same_calls(mapped, 0, 2 * MIB);
  expect_same_calls(premap::load(name.text, {.backing = premap::backing::copied}), 0, MIB);
  expect_same_calls(premap::create(name.text), 0, MIB);
  expect_same_calls(premap::file(), 0, MIB);
  cr_expect(has_pattern(mapped.bytes(), MIB, 1));
  expect_thrown(PREMAP_ERANGE, "populate: the range is outside the file (ERANGE)", [&] { mapped.populate(0, 2 * MIB); });
}

Test(cpp, bytes_are_copied_and_counted, .description = "by copy_out and resident") {
  path name = make_file("file", MIB, 1);
  premap::file file = premap::load(name.text);
  std::error_code error;
  std::uint64_t expected = 0, resident = file.resident(0, 0, error);
  cr_expect_eq(error.value(), premap_resident(file.get(), 0, 0, &expected));
  cr_expect_eq(resident, expected);
  std::byte copy[100];
  file.copy_out(1000, copy, error);
  cr_expect(error ? error == PREMAP_ENOSYS : pattern_equals(copy, sizeof copy, 1, 1000));
}

Test(cpp, changes_are_seen, .description = "as an answer; not to know is an error") {
  path name = make_text("file", "before");
  premap::file file = premap::load(name.text, {.backing = premap::backing::copied});
  std::error_code error;
  cr_expect(!file.has_changed() && !file.has_changed(error) && !error);
  cr_assert_eq(write_at(name.text, 6, "after", 5), 0);
  cr_expect(file.has_changed() && file.has_changed(error) && !error);
  cr_assert_eq(remove_file(name.text), 0);
  cr_expect(!file.has_changed(error) && error == PREMAP_ENOENT);
  expect_thrown(PREMAP_ENOENT, "has_changed: no such file or directory (ENOENT)", [&] { (void)file.has_changed(); });
}
