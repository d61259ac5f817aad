/* SPDX-License-Identifier: MIT
 *
 * premap/error.hpp - premap's codes as C++ errors: a category, codes that compare with std::errc, and an exception. Included by
 * premap.hpp.
 */
#ifndef PREMAP_ERROR_HPP
#define PREMAP_ERROR_HPP

#include <cerrno>
#include <string>
#include <system_error>
#include <type_traits>

#ifdef __cpp_exceptions
#include <stdexcept>
#endif

#include <premap/premap.h>

namespace premap {

namespace detail {

class error_category final : public std::error_category {
public:
  const char *name() const noexcept override {
    return "premap";
  }
  std::string message(int code) const override {
    return premap_strerror(code);
  }
  std::error_condition default_error_condition(int code) const noexcept override {
    switch (code) {
      /* The name alone is the system's errno of that name, which is what std::errc is made of. */
#define PREMAP__XX(name, windows, text)                                                                                        \
  case PREMAP_##name:                                                                                                          \
    return {name, std::generic_category()};
      PREMAP_ERRNO_MAP(PREMAP__XX)
#undef PREMAP__XX
    case PREMAP_EDEADLK:
      return std::errc::resource_deadlock_would_occur;
    default:
      return {code, *this};
    }
  }
};

} // namespace detail

/* That of PREMAP_E* codes. An error_code of it compares equal to std::errc where that has the error, and to the PREMAP_E* of
 * premap.h. Each DLL, and each shared library whose symbols are hidden, has a category of its own: across such borders compare
 * values. */
inline const std::error_category &category() noexcept {
  static const detail::error_category instance;
  return instance;
}

namespace detail {

inline std::error_code to_error_code(int code) noexcept {
  return {code < 0 ? code : PREMAP_OK, category()};
}

/* PREMAP_PARTIAL is no error. */
inline void assign(std::error_code &error, int code) noexcept {
  if (code < 0)
    error.assign(code, category());
  else
    error.clear();
}

inline int first_error(int one, int other) noexcept {
  return one < 0 ? one : other;
}

} // namespace detail

#ifdef __cpp_exceptions

/* What is thrown. code() is of category(); what() the sentence of premap_error_message, for a failed file, or else
 * "STEP: TEXT (NAME)". */
class error : public std::system_error {
public:
  error(int code, const std::string &message, const char *step)
      : std::system_error(code, category()),
        text_(message.empty() ? step + std::string(": ") + premap_strerror(code) + " (" + premap_err_name(code) + ")"
                              : message) {
  }
  const char *what() const noexcept override {
    return text_.what();
  }

private:
  std::runtime_error text_; /* its copies share the text, and so cannot fail */
};

namespace detail {

inline void check(const std::error_code &code, const char *step) {
  if (code)
    throw premap::error(code.value(), std::string(), step);
}

} // namespace detail

#endif

} // namespace premap

/* In the namespace of premap_code, so that its enumerators are error codes wherever one is wanted. */
inline std::error_code make_error_code(premap_code code) noexcept {
  return {code, premap::category()};
}

template <> struct std::is_error_code_enum<premap_code> : std::true_type {};

#endif
