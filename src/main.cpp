#include "base/error.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/failure.h"
#include "cli/interrupt.h"

namespace {

constexpr int kBadInput = 2;
constexpr int kInterrupted = 130;

int report(const std::string& message, int status) {
  assay::Console(true).error(message);
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    assay::catch_interrupts();
    const assay::Request request = assay::parse_command_line({argv + 1, argv + argc});
    return std::visit([](const auto& command) { return assay::run(command); }, request);
  } catch (const assay::Interrupted&) {
    return report("interrupted; finished models are kept", kInterrupted);
  } catch (const std::exception& e) {
    return report(assay::message_of(e), kBadInput);
  }
}
