/* SPDX-License-Identifier: MIT
 *
 * test_win32_cpp.cpp - premap.hpp on Windows, where std::filesystem::path is UTF-16.
 */
#include <premap/premap.hpp>

#include "support.h"

#include <filesystem>
#include <string>

TestSuite(win32_cpp, .init = support_begin, .fini = support_end, .timeout = SECONDS(60));

Test(win32_cpp, wide_paths, .description = "name the file that their UTF-8 names, beyond 16 bits too") {
  const std::u8string name = u8"gr\u00f6\u00dfe \u65e5\u672c \U0001F600";
  make_file(std::string(name.begin(), name.end()).c_str(), 100, 7);
  const std::string directory = path_of("").text;
  const std::filesystem::path wide = std::filesystem::path(directory) / L"gr\u00f6\u00dfe \u65e5\u672c \U0001F600";
  premap::file file = premap::load(wide);
  cr_expect(file.bytes().size() == 100 && pattern_equals(file.bytes().data(), 100, 7, 0));
}

Test(win32_cpp, what_is_no_utf16, .description = "is PREMAP_EILSEQ, wherever a path is taken") {
  const std::filesystem::path bad(std::wstring(1, wchar_t(0xD800)));
  std::error_code error;
  cr_expect(!premap::open(bad, {}, error) && error == PREMAP_EILSEQ);
  cr_expect(!premap::load(bad, {}, error) && error == PREMAP_EILSEQ);
  premap::group group({}, error);
  cr_expect(!group.add(bad, error) && error == PREMAP_EILSEQ);
  cr_expect(group.add_directory(bad, error) == 0 && error == PREMAP_EILSEQ);
}
