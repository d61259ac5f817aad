/* SPDX-License-Identifier: MIT
 *
 * A user's program in C++: loads the file that is named, compares it with what the standard library reads, and tells a failure
 * by its message.
 */
#include <premap/premap.hpp>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

static bool is_like(const std::filesystem::path &path, std::span<const std::byte> bytes) {
  std::ifstream stream(path, std::ios::binary);
  std::string expected{std::istreambuf_iterator<char>(stream), {}};
  return !expected.empty() && std::ranges::equal(std::as_bytes(std::span(expected)), bytes);
}

int main(int argc, char **argv) {
  if (argc != 2)
    return 2;
  std::filesystem::path path = argv[1];
  premap::file file = premap::open(path);
  if (!is_like(path, file.wait()))
    return 1;
  try {
    (void)premap::load(path / "missing");
    return 1;
  } catch (const std::system_error &error) {
    std::printf("%s: right with premap %s; %s\n", argv[1], premap_version(), error.what());
  }
  return 0;
}
