#include "tokens/datasets.h"

#include <gmock/gmock.h>

#include "base/error.h"
#include "base/hash.h"
#include "support/support.h"

namespace assay {
namespace {

using testing::HasSubstr;

DatasetRequest request(const std::string& dataset, const std::filesystem::path& base = {}) {
  DatasetRequest out;
  out.dataset = dataset;
  out.base = base;
  return out;
}

std::string refusal(const DatasetRequest& request, const DataLocations& locations = {}) {
  try {
    load_dataset(request, locations);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

constexpr const char* kWiki = " \n = Title = \n \n One line . \n Another . \n";

TEST(Datasets, JoinsWikiRowsByProtocol) {
  test::TempDir dir;
  test::write_text(dir / "wiki.test.raw", kWiki);
  DatasetRequest wiki = request("wiki2", dir.path());
  const DatasetText kept = load_dataset(wiki, {});
  EXPECT_EQ(kept.protocol, TextProtocol::kept_rows);
  EXPECT_EQ(kept.text, " = Title = \n\n\n One line . \n\n\n Another . \n");
  EXPECT_EQ(kept.rows, 5);
  EXPECT_EQ(kept.blank_rows, 2);
  EXPECT_EQ(kept.display_name, "wikitext2");
  wiki.protocol = TextProtocol::all_rows;
  EXPECT_EQ(load_dataset(wiki, {}).text, "\n\n = Title = \n\n\n\n\n One line . \n\n\n Another . \n");
  wiki.protocol = TextProtocol::verbatim;
  EXPECT_EQ(load_dataset(wiki, {}).text, kWiki);
}

TEST(Datasets, KeepsTheFirstRowsBeforeDroppingBlankOnes) {
  test::TempDir dir;
  test::write_text(dir / "wiki.test.raw", kWiki);
  DatasetRequest wiki = request("WikiText2", dir.path());
  wiki.max_text_rows = 3;
  EXPECT_EQ(load_dataset(wiki, {}).text, " = Title = \n");
  wiki.protocol = TextProtocol::verbatim;
  EXPECT_EQ(load_dataset(wiki, {}).text, " \n = Title = \n \n");
}

TEST(Datasets, FindsWikiInDataFoldersByItsDistributedName) {
  test::TempDir dir;
  test::write_text(dir / "data/wikitext-2-raw/wiki.test.raw", "x\n");
  test::write_text(dir / "data/wikitext-103-raw/wiki.valid.raw", "y\n");
  const DataLocations locations{{}, {dir / "empty", dir / "data"}};
  EXPECT_EQ(load_dataset(request("wiki2", dir.path()), locations).text, "x\n");
  DatasetRequest wiki103 = request("wiki103", dir.path());
  wiki103.split = "validation";
  EXPECT_EQ(load_dataset(wiki103, locations).text, "y\n");
}

TEST(Datasets, PrefersAnExplicitFileThenTheSpecsFolder) {
  test::TempDir dir;
  test::write_text(dir / "explicit.txt", "explicit\n");
  test::write_text(dir / "spec/wiki.test.raw", "spec\n");
  test::write_text(dir / "data/wiki.test.raw", "data\n");
  EXPECT_EQ(load_dataset(request("wiki2", dir / "spec"), {dir / "explicit.txt", {dir / "data"}}).text, "explicit\n");
  EXPECT_EQ(load_dataset(request("wiki2", dir / "spec"), {{}, {dir / "data"}}).text, "spec\n");
  EXPECT_EQ(load_dataset(request("wiki2", dir / "elsewhere"), {{}, {dir / "data"}}).text, "data\n");
}

TEST(Datasets, TakesTheHubNameOfWikitextForTheSame) {
  test::TempDir dir;
  test::write_text(dir / "wiki.test.raw", "x\n");
  DatasetRequest hub = request("Salesforce/wikitext", dir.path());
  hub.configuration = "wikitext-2-raw-v1";
  EXPECT_EQ(load_dataset(hub, {}).protocol, TextProtocol::kept_rows);
  DatasetRequest alias = request("wiki2", dir.path());
  alias.path = "Salesforce/wikitext";
  EXPECT_EQ(load_dataset(alias, {}).text, "x\n");
}

TEST(Datasets, ReadsTheBytesOfAPlainTextFile) {
  test::TempDir dir;
  test::write_text(dir / "book.txt", "One.\n\n\nTwo.");
  const DatasetText book = load_dataset(request("book.txt", dir.path()), {});
  EXPECT_EQ(book.protocol, TextProtocol::verbatim);
  EXPECT_EQ(book.text, "One.\n\n\nTwo.");
  EXPECT_EQ(book.display_name, "book.txt");
}

TEST(Datasets, ReadsTheTextColumnOfJsonLines) {
  test::TempDir dir;
  test::write_text(dir / "rows.jsonl", "{\"body\": \"a\\n\", \"n\": 1}\n\n{\"body\": null}\n{\"body\": \"b\"}\n");
  DatasetRequest rows = request("rows.jsonl", dir.path());
  rows.text_column = "body";
  const DatasetText text = load_dataset(rows, {});
  EXPECT_EQ(text.text, "a\n\n\nb");
  EXPECT_EQ(text.rows, 3);
  EXPECT_EQ(text.blank_rows, 1);
  rows.max_text_rows = 1;
  EXPECT_EQ(load_dataset(rows, {}).text, "a\n");
}

TEST(Datasets, UsesTheColumnOfTheAlias) {
  test::TempDir dir;
  test::write_text(dir / "ptb.json", "[{\"sentence\": \"a\"}, {\"sentence\": \"b\"}]");
  DatasetRequest ptb = request("ptb", dir.path());
  ptb.path = "ptb.json";
  const DatasetText text = load_dataset(ptb, {});
  EXPECT_EQ(text.text, "a\n\nb");
  EXPECT_EQ(text.display_name, "PTB");
}

TEST(Datasets, ListsTheColumnsWhenTheTextColumnIsAbsent) {
  test::TempDir dir;
  test::write_text(dir / "rows.jsonl", "{\"text\": \"a\"}\n{\"title\": \"a\", \"content\": \"b\"}\n");
  const std::string message = refusal(request("rows.jsonl", dir.path()));
  EXPECT_THAT(message, HasSubstr("line 2"));
  EXPECT_THAT(message, HasSubstr("content, title"));
}

TEST(Datasets, RefusesDamagedJsonLinesWithTheLine) {
  test::TempDir dir;
  test::write_text(dir / "a.jsonl", "{\"text\": \"a\"}\n{\"text\": \n");
  EXPECT_THAT(refusal(request("a.jsonl", dir.path())), HasSubstr("line 2"));
  test::write_text(dir / "b.jsonl", "{\"text\": 5}\n");
  EXPECT_THAT(refusal(request("b.jsonl", dir.path())), HasSubstr("not a text"));
  test::write_text(dir / "c.jsonl", "5\n");
  EXPECT_THAT(refusal(request("c.jsonl", dir.path())), HasSubstr("JSON object"));
}

TEST(Datasets, FindsTheDataFileInANamedFolder) {
  test::TempDir dir;
  test::write_text(dir / "c4/notes.txt", "no");
  test::write_text(dir / "c4/validation.jsonl", "{\"text\": \"yes\"}\n");
  DatasetRequest c4 = request("c4", dir.path());
  c4.path = "c4";
  EXPECT_EQ(load_dataset(c4, {}).text, "yes");
  c4.split = "train";
  EXPECT_THAT(refusal(c4), HasSubstr("notes.txt, validation.jsonl"));
}

TEST(Datasets, SaysWhatIsMissingAndWhereItLooked) {
  test::TempDir dir;
  const std::string wiki = refusal(request("wiki2", dir / "spec"), {{}, {dir / "data"}});
  EXPECT_THAT(wiki, HasSubstr("wikitext-2-raw/wiki.test.raw"));
  EXPECT_THAT(wiki, HasSubstr((dir / "data/wiki.test.raw").string()));
  EXPECT_THAT(wiki, HasSubstr("dataset_path"));
  const std::string c4 = refusal(request("c4", dir.path()));
  EXPECT_THAT(c4, HasSubstr("allenai/c4"));
  EXPECT_THAT(c4, HasSubstr("dataset_path"));
  EXPECT_THAT(refusal(request("wiki2x", dir.path())), HasSubstr("did you mean \"wiki2\""));
  DatasetRequest lost = request("c4", dir.path());
  lost.path = "lost.txt";
  EXPECT_THAT(refusal(lost), HasSubstr("no such file"));
}

TEST(Datasets, RefusesFormatsItCannotRead) {
  test::TempDir dir;
  test::write_text(dir / "a.parquet", "PAR1");
  EXPECT_THAT(refusal(request("a.parquet", dir.path())), HasSubstr("not supported"));
  test::write_text(dir / "latin.txt", "caf\xe9");
  EXPECT_THAT(refusal(request("latin.txt", dir.path())), HasSubstr("not UTF-8 (byte 3"));
  test::write_text(dir / "a.jsonl", "{\"text\": \"a\"}\n");
  DatasetRequest verbatim = request("a.jsonl", dir.path());
  verbatim.protocol = TextProtocol::verbatim;
  EXPECT_THAT(refusal(verbatim), HasSubstr("P3"));
}

TEST(Datasets, ReadsAnEmptyFileAsNoRows) {
  test::TempDir dir;
  test::write_text(dir / "empty.txt", "");
  const DatasetText text = load_dataset(request("empty.txt", dir.path()), {});
  EXPECT_EQ(text.text, "");
  EXPECT_EQ(text.rows, 0);
}

TEST(Datasets, WikiTextEqualsTheReferenceInAllProtocols) {
  ASSAY_REQUIRE_SHARED_DATA();
  DatasetRequest wiki = request("wiki2");
  const DataLocations locations{{}, {test::shared_data()}};
  const DatasetText kept = load_dataset(wiki, locations);
  EXPECT_EQ(kept.rows, 4358);
  EXPECT_EQ(kept.rows - kept.blank_rows, 2891);
  EXPECT_EQ(sha256(kept.text), "c5b5caea5bd655cb221545a484f2f0f59d35092a17a66840d7b9513d0b99687d");
}

}  // namespace
}  // namespace assay
