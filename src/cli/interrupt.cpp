#include "cli/interrupt.h"

#include <csignal>

#include "base/error.h"

namespace assay {

namespace {

volatile std::sig_atomic_t interrupted = 0;

extern "C" void on_interrupt(int) {
  interrupted = 1;
}

}  // namespace

void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  action.sa_flags = static_cast<int>(SA_RESETHAND) | SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  action.sa_handler = SIG_IGN;  // a closed pipe is a write error, not a silent death
  sigaction(SIGPIPE, &action, nullptr);
}

bool was_interrupted() {
  return interrupted != 0;
}

void stop_if_interrupted() {
  if (was_interrupted()) throw Interrupted();
}

}  // namespace assay
