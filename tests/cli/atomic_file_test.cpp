#include "cli/atomic_file.h"

#include "base/error.h"
#include "support/support.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

size_t files_in(const fs::path& folder) {
  return static_cast<size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

TEST(AtomicFile, ReplacesTheWholeTextAndLeavesNothingElse) {
  const test::TempDir dir;
  write_atomically(dir / "a.json", "a long first text");
  write_atomically(dir / "a.json", "short");
  EXPECT_EQ(test::read_text(dir / "a.json"), "short");
  EXPECT_EQ(files_in(dir.path()), 1u);
}

TEST(AtomicFile, WritesThroughALink) {
  const test::TempDir dir;
  test::write_text(dir / "real.json", "old");
  fs::create_symlink(dir / "real.json", dir / "link.json");
  write_atomically(dir / "link.json", "new");
  EXPECT_TRUE(fs::is_symlink(dir / "link.json"));
  EXPECT_EQ(test::read_text(dir / "real.json"), "new");
}

TEST(AtomicFile, WritesToADeviceWithoutReplacingIt) {
  write_atomically("/dev/null", "gone");
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
}

TEST(AtomicFile, RefusesAFolderAndAnAbsentFolder) {
  const test::TempDir dir;
  EXPECT_THROW(write_atomically(dir.path(), "x"), Error);
  EXPECT_THROW(write_atomically(dir / "absent/a.json", "x"), Error);
}

TEST(AtomicFile, AFullDiskIsAnErrorAndKeepsTheOldText) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  EXPECT_THROW(write_atomically("/dev/full", "x"), Error);
}

}  // namespace
}  // namespace assay
