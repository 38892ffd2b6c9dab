#include <nlohmann/json.hpp>

#include "base/error.h"
#include "support/support.h"
#include "tokens/chat/chat_template.h"
#include "tokens/tokenizer.h"

// Every template of fixtures/chat against the renderings of the reference implementation.
namespace assay {
namespace {

using Json = nlohmann::ordered_json;

class ChatGolden : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    ASSAY_REQUIRE_FIXTURES();
    const auto folder = test::fixtures() / "chat";
    golden_ = Json::parse(test::read_text(folder / (std::string(GetParam()) + ".json")));
    template_ = ChatTemplate::parse(test::read_text(folder / golden_["template"].get<std::string>()), GetParam());
  }

  std::string render(const Json& test_case) const {
    Json variables = golden_["context"];
    variables.update(test_case["extra"]);
    ChatContext context{&test_case["messages"], &variables};
    context.add_generation_prompt = test_case["add_generation_prompt"].get<bool>();
    context.continue_final_message = test_case.value("continue_final_message", false);
    context.now.tm_year = 2026 - 1900;
    context.now.tm_mon = 0;
    context.now.tm_mday = 2;
    context.now.tm_hour = 3;
    context.now.tm_min = 4;
    context.now.tm_sec = 5;
    return template_.render(context);
  }

  Json golden_;
  ChatTemplate template_;
};

TEST_P(ChatGolden, RendersEveryCaseByteForByte) {
  for (const Json& test_case : golden_["cases"]) {
    SCOPED_TRACE(test_case["case"].get<std::string>());
    if (test_case.contains("error")) {
      EXPECT_THROW(render(test_case), Error) << test_case["message"];
      continue;
    }
    try {
      EXPECT_EQ(render(test_case), test_case["text"].get<std::string>());
    } catch (const Error& error) {
      ADD_FAILURE() << error.what();
    }
  }
}

TEST_P(ChatGolden, TokenizesToTheReferenceIds) {
  ASSAY_REQUIRE_SHARED_DATA();
  for (const Json& test_case : golden_["cases"]) {
    if (!test_case.contains("ids")) continue;
    SCOPED_TRACE(test_case["case"].get<std::string>());
    const auto name = test_case["ids_tokenizer"].get<std::string>();
    const auto tokenizer = open_tokenizer(test::shared_data() / "tokenizers" / name);
    EXPECT_EQ(tokenizer->encode(render(test_case), {.add_special = false, .parse_special = true}),
              test_case["ids"].get<std::vector<int32_t>>());
  }
}

INSTANTIATE_TEST_SUITE_P(All, ChatGolden,
                         testing::Values("chatml", "command-r7b", "deepseek-r1-distill-llama-8b", "deepseek-v3.1",
                                         "deepseek_v3", "gemma-2-2b-it", "gemma-4-31b-it", "gemma3", "glm-4.6",
                                         "gpt-oss-120b", "granite-3.3-2b-instruct", "granite-4.0",
                                         "hermes-2-pro-llama-3-8b", "kimi-k2-instruct", "llama3.1-8b-instruct",
                                         "llama3.2-3b-instruct", "llama3_1_short", "mistral-nemo-instruct",
                                         "mistral-small-3.2-24b", "nemotron-nano-v2", "phi-3.5-mini-instruct",
                                         "qwen2.5-7b-instruct", "qwen3-0.6b", "qwen3.5-4b", "smollm3-3b"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace_if(
                               name.begin(), name.end(),
                               [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); }, '_');
                           return name;
                         });

}  // namespace
}  // namespace assay
