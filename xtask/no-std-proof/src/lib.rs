//! Links all protocol crates with its own panic handler and allocator.
//!
//! If a dependency turns `std` on, there are two panic handlers, which is error E0152.
#![no_std]

use core::alloc::{GlobalAlloc, Layout};
use core::panic::PanicInfo;
use core::ptr;

use nacre_car as _;
use nacre_cbor as _;
use nacre_commit as _;
use nacre_crypto as _;
use nacre_firehose as _;
use nacre_lexicon as _;
use nacre_mst as _;
use nacre_sha256 as _;
use nacre_syntax as _;
use nacre_xrpc as _;

/// An allocator that is always out of memory. The library is linked, not run.
struct NoMemory;

// The workspace forbids `unsafe`, which an allocator needs: another reason why this crate is not in
// the workspace.
//
// SAFETY: a null pointer means that the allocator is out of memory. No pointer is ever returned, so
// none is ever passed to `dealloc`.
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
