#include "report/chart/fonts.h"

#include <fontconfig/fontconfig.h>
#include <utf8proc.h>

#include <map>
#include <memory>
#include <mutex>

namespace assay {

namespace {

constexpr const char* kFamily = "DejaVu Sans";

using Pattern = std::unique_ptr<FcPattern, decltype(&FcPatternDestroy)>;
using Charset = std::unique_ptr<FcCharSet, decltype(&FcCharSetDestroy)>;

/// The system's best font like `family`, and if possible with this character.
Pattern best_match(const char* family, FcChar32 code) {
  const Pattern wanted(FcPatternCreate(), FcPatternDestroy);
  FcPatternAddString(wanted.get(), FC_FAMILY, reinterpret_cast<const FcChar8*>(family));
  if (code != 0) {
    const Charset characters(FcCharSetCreate(), FcCharSetDestroy);
    FcCharSetAddChar(characters.get(), code);
    FcPatternAddCharSet(wanted.get(), FC_CHARSET, characters.get());
  }
  FcConfigSubstitute(nullptr, wanted.get(), FcMatchPattern);
  FcDefaultSubstitute(wanted.get());
  FcResult result{};
  return {FcFontMatch(nullptr, wanted.get(), &result), FcPatternDestroy};
}

bool has(const Pattern& font, FcChar32 code) {
  FcCharSet* characters = nullptr;
  return font && FcPatternGetCharSet(font.get(), FC_CHARSET, 0, &characters) == FcResultMatch &&
         FcCharSetHasChar(characters, code);
}

/// Of the font that shows a character; the usual one where none does.
const std::string& family_of(FcChar32 code) {
  static std::mutex mutex;
  static const std::string usual_name = kFamily;
  static std::map<FcChar32, std::string> others;  // names of the characters that the usual font lacks
  const std::scoped_lock lock(mutex);
  static const Pattern usual = best_match(kFamily, 0);
  if (code < 0x80 || has(usual, code)) return usual_name;
  const auto known = others.find(code);
  if (known != others.end()) return known->second;
  const Pattern font = best_match(kFamily, code);
  FcChar8* name = nullptr;
  const bool found = has(font, code) && FcPatternGetString(font.get(), FC_FAMILY, 0, &name) == FcResultMatch;
  return others.emplace(code, found ? reinterpret_cast<const char*>(name) : kFamily).first->second;
}

}  // namespace

void for_each_font(cairo_t* context, const std::string& text, const TextStyle& style,
                   const std::function<void(const std::string&)>& run) {
  cairo_set_font_size(context, style.size);
  const auto finish = [&](const std::string& family, const std::string& part) {
    cairo_select_font_face(context, family.c_str(), CAIRO_FONT_SLANT_NORMAL,
                           style.bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    run(part);
  };
  std::string family = kFamily, part;
  std::string_view rest = text;
  while (!rest.empty()) {
    utf8proc_int32_t code = 0;
    const auto bytes = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(rest.data()),
                                        static_cast<utf8proc_ssize_t>(rest.size()), &code);
    const size_t size = bytes > 0 ? static_cast<size_t>(bytes) : 1;
    const std::string& own = bytes > 0 && code != ' ' ? family_of(static_cast<FcChar32>(code)) : family;
    if (own != family) {
      if (!part.empty()) finish(family, part);
      part.clear();
      family = own;
    }
    part += rest.substr(0, size);
    rest.remove_prefix(size);
  }
  if (!part.empty()) finish(family, part);
}

}  // namespace assay
