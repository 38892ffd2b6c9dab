#include "tokens/tokenizer_json/xz.h"

#include <lzma.h>

#include <algorithm>

#include "base/error.h"

namespace assay::text {

namespace {

constexpr uint64_t kDecoderMemory = uint64_t{256} << 20;
constexpr size_t kChunk = size_t{1} << 20;

/// Vocabularies shrink to a tenth; this leaves room and stops a file that is made to explode.
size_t output_limit(size_t input) {
  return std::min((size_t{16} << 20) + 64 * input, size_t{1} << 30);
}

}  // namespace

bool is_xz(std::string_view bytes) {
  return bytes.starts_with(
      std::string_view("\xfd"
                       "7zXZ\0",
                       6));
}

std::string decompress_xz(std::string_view bytes, const std::string& where) {
  struct Stream {
    lzma_stream lzma = LZMA_STREAM_INIT;
    ~Stream() { lzma_end(&lzma); }
  } stream;
  lzma_stream& lzma = stream.lzma;
  if (lzma_stream_decoder(&lzma, kDecoderMemory, 0) != LZMA_OK) fail("{}: cannot start the xz decoder", where);
  lzma.next_in = reinterpret_cast<const uint8_t*>(bytes.data());
  lzma.avail_in = bytes.size();
  const size_t limit = output_limit(bytes.size());
  std::string out;
  lzma_ret state = LZMA_OK;
  while (state == LZMA_OK) {
    const size_t done = out.size();
    if (done >= limit) fail("{}: unpacks to more than {} bytes from {}", where, limit, bytes.size());
    out.resize(done + std::max(kChunk, done / 2));
    lzma.next_out = reinterpret_cast<uint8_t*>(out.data()) + done;
    lzma.avail_out = out.size() - done;
    state = lzma_code(&lzma, LZMA_FINISH);
    out.resize(out.size() - lzma.avail_out);
  }
  if (state != LZMA_STREAM_END) fail("{}: xz data is damaged or cut short (liblzma code {})", where, int{state});
  return out;
}

}  // namespace assay::text
