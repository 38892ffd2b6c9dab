#include "base/error.h"

namespace assay {

void check_failed(const char* file, int line, const char* condition) {
  throw std::logic_error(fmt::format("internal error at {}:{}: {}", file, line, condition));
}

}  // namespace assay
