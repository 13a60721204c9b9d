//! Links every protocol crate with a panic handler and an allocator that are not the standard
//! library's. Should a dependency turn `std` on, its panic handler is a second one: error E0152.
#![no_std]

use core::alloc::{GlobalAlloc, Layout};
use core::panic::PanicInfo;
use core::ptr;

use nacre_car as _;
use nacre_commit as _;
use nacre_crypto as _;
use nacre_firehose as _;
use nacre_lexicon as _;
use nacre_mst as _;
use nacre_sha256 as _;
use nacre_syntax as _;
use nacre_xrpc as _;

/// Never has memory: the library is linked, not run.
struct NoMemory;

// `unsafe` is forbidden in the workspace. An allocator cannot be had without it, and this crate
// lies outside the workspace for that reason too.
//
// SAFETY: a null pointer is the answer of an allocator that is out of memory, and since no pointer
// is ever given out, none comes back.
unsafe impl GlobalAlloc for NoMemory {
    unsafe fn alloc(&self, _: Layout) -> *mut u8 {
        ptr::null_mut()
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ALLOCATOR: NoMemory = NoMemory;

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}
