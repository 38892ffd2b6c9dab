#include "report/text_table.h"

#include "support/support.h"

namespace assay {
namespace {

TEST(DisplayWidth, CountsColumnsAndNotBytes) {
  EXPECT_EQ(display_width("abc"), 3);
  EXPECT_EQ(display_width("±ü…"), 3);
  EXPECT_EQ(display_width("e\u0301"), 1);  // e and a combining accent
  EXPECT_EQ(display_width("量化"), 4);
  EXPECT_EQ(display_width("\xff\xfe"), 2);
}

TEST(Shorten, CutsBetweenCharactersAndMarksTheCut) {
  EXPECT_EQ(shorten("short", 5), "short");
  EXPECT_EQ(shorten("longer", 5), "long…");
  EXPECT_EQ(shorten("量化模型", 6), "量化…");
}

TEST(TextTable, AlignsColumnsUnderTitlesOfSeveralLines) {
  TextTable table({{"label"}, {"decoder\nbpw", true}, {"PPL", true}});
  table.add({"BF16", "16.000", "9.5 ± 0.1"});
  table.add({"量化", "4.5", "-"});
  EXPECT_EQ(table.render(100),
            "       decoder\n"
            "label      bpw        PPL\n"
            "─────  ───────  ─────────\n"
            "BF16    16.000  9.5 ± 0.1\n"
            "量化       4.5          -\n");
}

TEST(TextTable, ShortensOnlyTheColumnsThatMayBe) {
  TextTable table({{"label", false, 4}, {"format", false, 6}, {"n", true}});
  table.add({"a long label", "some/format", "123456789"});
  EXPECT_EQ(table.render(27),
            "label   format            n\n"
            "──────  ────────  ─────────\n"
            "a lon…  some/fo…  123456789\n");
  EXPECT_EQ(table.render(5),
            "lab…  format          n\n"
            "────  ──────  ─────────\n"
            "a l…  some/…  123456789\n")
      << "no column gives more than it may";
}

TEST(TextTable, KeepsControlCharactersOffTheTerminal) {
  TextTable table({{"label"}});
  table.add({"a\x1b[2J\nb"});
  EXPECT_EQ(table.render(100), "label\n───────\na [2J b\n");
}

}  // namespace
}  // namespace assay
