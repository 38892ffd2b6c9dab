#pragma once
#include <cstdint>

#include "base/clones.h"
#include "checkpoint/dtype.h"
#include "formats/format.h"
#include "formats/shared/host_device.h"
#include "formats/shared/minifloat.h"

// What every block type of GGUF has: its line in the list of formats, the bytes of a block, and decode(), which turns
// one block into kElements consecutive weights of a row. Products are rounded in the order in which the layout's
// comment writes them. Elements are counted from 0 within the block, i; all numbers are little-endian.
