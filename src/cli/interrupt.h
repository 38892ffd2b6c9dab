#pragma once

namespace assay {

/// From here on the first Ctrl-C only sets a flag; the second one ends the program at once.
void catch_interrupts();
bool was_interrupted();
/// Throws Interrupted after a Ctrl-C.
void stop_if_interrupted();

}  // namespace assay
