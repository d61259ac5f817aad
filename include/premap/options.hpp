/* SPDX-License-Identifier: MIT
 *
 * premap/options.hpp - paths in all their types, and how to load, as an aggregate. Included by premap.hpp.
 */
#ifndef PREMAP_OPTIONS_HPP
#define PREMAP_OPTIONS_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include <premap/premap.h>

namespace premap {

/* A path as a parameter: made from whatever has one, for the length of a call. Text is UTF-8, on Windows too. What is wrong
 * with it is an error of the call: PREMAP_EINVAL for a NUL in its middle, PREMAP_EILSEQ for a std::filesystem::path that is not
 * valid UTF-16, PREMAP_ENOMEM. Only views, and on Windows std::filesystem::path, are copied. */
class path_text {
public:
  path_text(const char *path) noexcept : text_(path) {
  }
  path_text(const char8_t *path) noexcept : text_(reinterpret_cast<const char *>(path)) {
  }
  path_text(const std::string &path) noexcept {
    borrow(path.c_str(), path.size());
  }
  path_text(const std::u8string &path) noexcept {
    borrow(reinterpret_cast<const char *>(path.c_str()), path.size());
  }
  path_text(std::string_view path) noexcept {
    copy(path.data(), path.size());
  }
  path_text(std::u8string_view path) noexcept {
    copy(reinterpret_cast<const char *>(path.data()), path.size());
  }
  path_text(const std::filesystem::path &path) noexcept {
    if constexpr (std::is_same_v<std::filesystem::path::value_type, char>)
      borrow(reinterpret_cast<const char *>(path.c_str()), path.native().size());
    else
      convert(path);
  }
  path_text(const path_text &) = delete;
  path_text &operator=(const path_text &) = delete;

  /* Ends with a NUL. Null, which no function takes, where code() is an error. */
  const char *get() const noexcept {
    return code_ == PREMAP_OK ? text_ : nullptr;
  }
  /* PREMAP_OK, or what is wrong. */
  int code() const noexcept {
    return code_;
  }

private:
  void borrow(const char *text, std::size_t size) noexcept {
    text_ = text;
    if (size > 0 && std::memchr(text, '\0', size) != nullptr)
      code_ = PREMAP_EINVAL;
  }
  void copy(const char *text, std::size_t size) noexcept {
    copy_.reset(new (std::nothrow) char[size + 1]);
    if (copy_ == nullptr) {
      code_ = PREMAP_ENOMEM;
      return;
    }
    if (size > 0)
      std::memcpy(copy_.get(), text, size);
    copy_[size] = '\0';
    borrow(copy_.get(), size);
  }
  void convert(const std::filesystem::path &path) noexcept {
#ifdef __cpp_exceptions
    try {
#endif
      std::u8string text = path.u8string();
      copy(reinterpret_cast<const char *>(text.data()), text.size());
#ifdef __cpp_exceptions
    } catch (const std::bad_alloc &) {
      code_ = PREMAP_ENOMEM;
    } catch (...) {
      code_ = PREMAP_EILSEQ;
    }
#endif
  }

  const char *text_ = nullptr;
  int code_ = PREMAP_OK;
  std::unique_ptr<char[]> copy_;
};

/* For their meaning see the enumerations of premap.h. */
enum class mode : std::uint32_t {
  read_only = PREMAP_READ_ONLY,
  read_write = PREMAP_READ_WRITE,
  copy_on_write = PREMAP_COPY_ON_WRITE
};

enum class prefault : std::uint32_t {
  none = PREMAP_PREFAULT_NONE,
  populate = PREMAP_PREFAULT_POPULATE,
  advise = PREMAP_PREFAULT_ADVISE
};

enum class backing : std::uint32_t {
  automatic = PREMAP_BACKING_AUTO,
  mapped = PREMAP_BACKING_MAPPED,
  copied = PREMAP_BACKING_COPIED
};

enum class advice : std::uint32_t {
  normal = PREMAP_ADVICE_NORMAL,
  sequential = PREMAP_ADVICE_SEQUENTIAL,
  random = PREMAP_ADVICE_RANDOM,
  will_need = PREMAP_ADVICE_WILL_NEED
};

/* Called as premap_callback says. An exception could not leave it, so the type has none. */
using callback = void(premap_file file, int result, void *user_data) noexcept;

/* How to load: premap_options with C++'s types, the same fields and the same defaults. What differs is named:
 *
 *   premap::open(path, {.prefault = premap::prefault::none, .priority = 3, .lock = true}) */
struct options {
  premap::mode mode = premap::mode::read_only;
  premap::prefault prefault = premap::prefault::populate;
  premap::backing backing = premap::backing::automatic;
  premap::advice advice = premap::advice::normal;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;     /* 0: to the end */
  std::uint64_t chunk_size = 0; /* 0: the default */
  std::optional<std::chrono::microseconds> pause = std::nullopt;
  std::int32_t priority = 0;
  std::chrono::milliseconds deadline{0};               /* from the start; 0: none */
  std::optional<std::intptr_t> beneath = std::nullopt; /* a directory's descriptor or handle, which the path may not leave */
  bool no_follow = false;
  bool keep_open = false;
  bool lock = false;
  bool gentle = false;
  bool wait_for_memory = false;
  bool inline_if_cached = false;
  bool known_regular = false;
  bool cache_only = false;
  premap::callback *callback = nullptr;
  premap_queue *queue = nullptr;
  void *user_data = nullptr;
  premap_loader *loader = nullptr;

  /* The same for premap.h. PREMAP_OK, or PREMAP_EINVAL for a time that has no place there. */
  int to(premap_options &plain) const noexcept {
    plain = PREMAP_OPTIONS_INIT;
    if (pause && (pause->count() < 0 || pause->count() > PREMAP_PAUSE_MAX_US))
      return PREMAP_EINVAL;
    if (deadline.count() < 0 || deadline.count() > UINT32_MAX)
      return PREMAP_EINVAL;
    plain.mode = static_cast<std::uint32_t>(mode);
    plain.prefault = static_cast<std::uint32_t>(prefault);
    plain.backing = static_cast<std::uint32_t>(backing);
    plain.advice = static_cast<std::uint32_t>(advice);
    plain.flags = (beneath ? PREMAP_BENEATH : 0U) | (no_follow ? PREMAP_NOFOLLOW : 0U) | (keep_open ? PREMAP_KEEP_OPEN : 0U) |
                  (lock ? PREMAP_LOCK : 0U) | (gentle ? PREMAP_GENTLE : 0U) | (wait_for_memory ? PREMAP_WAIT_FOR_MEMORY : 0U) |
                  (inline_if_cached ? PREMAP_INLINE_IF_CACHED : 0U) | (known_regular ? PREMAP_KNOWN_REGULAR : 0U) |
                  (cache_only ? PREMAP_CACHE_ONLY : 0U);
    plain.pause_us = pause ? static_cast<std::uint32_t>(pause->count()) : PREMAP_PAUSE_AUTO;
    plain.offset = offset;
    plain.length = length;
    plain.chunk_size = chunk_size;
    plain.beneath = beneath.value_or(-1);
    plain.priority = priority;
    plain.deadline_ms = static_cast<std::uint32_t>(deadline.count());
    plain.callback = callback;
    plain.queue = queue;
    plain.user_data = user_data;
    plain.loader = loader;
    return PREMAP_OK;
  }
};

} // namespace premap

#endif
