//! Operations on the cache that a fuzzer thinks of, with a recount after every
//! one. The interpreter and the model are those of `core/cache/tests/model`;
//! there is nothing of its own here.

#![no_main]

#[path = "../../core/cache/tests/model/bytes.rs"]
mod bytes;
#[path = "../../core/cache/tests/model/model.rs"]
mod model;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bytes::play(bytes);
});
