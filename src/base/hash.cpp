#include "base/hash.h"

#include <fmt/core.h>
#include <openssl/evp.h>
#include <xxhash.h>

#include <bit>

#include "base/error.h"

namespace assay {

static_assert(std::endian::native == std::endian::little, "checkpoints are little-endian; so is every host we support");

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  ASSAY_CHECK(EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr) == 1);
}
Sha256::~Sha256() = default;

void Sha256::update(const void* data, size_t bytes) {
  ASSAY_CHECK(EVP_DigestUpdate(state_->context, data, bytes) == 1);
}

std::string Sha256::hex() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  ASSAY_CHECK(EVP_DigestFinal_ex(state_->context, digest, &size) == 1);
  std::string out;
  for (unsigned int i = 0; i < size; ++i) out += fmt::format("{:02x}", digest[i]);
  return out;
}

std::string sha256(std::string_view bytes) {
  Sha256 hash;
  hash.update(bytes.data(), bytes.size());
  return hash.hex();
}

std::string sha256(std::span<const int32_t> ids) {
  Sha256 hash;
  hash.update(ids.data(), ids.size_bytes());
  return hash.hex();
}

struct ContentHash::State {
  XXH3_state_t* state = XXH3_createState();
  ~State() { XXH3_freeState(state); }
};

ContentHash::ContentHash() : state_(std::make_unique<State>()) {
  XXH3_128bits_reset(state_->state);
}
ContentHash::~ContentHash() = default;
void ContentHash::update(const void* data, size_t bytes) {
  XXH3_128bits_update(state_->state, data, bytes);
}

std::string ContentHash::hex() {
  const XXH128_hash_t h = XXH3_128bits_digest(state_->state);
  return fmt::format("{:016x}{:016x}", static_cast<uint64_t>(h.high64), static_cast<uint64_t>(h.low64));
}

}  // namespace assay
