//! Panics of libraries that a reader turns into errors.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::process::abort;
use std::sync::Once;

static HOOK: Once = Once::new();

thread_local! {
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs a target whose reader catches panics of a library. libFuzzer's hook would end the process at once; here only panics
/// that reach the caller do.
pub fn catching(run: impl FnOnce()) {
    HOOK.call_once(|| {
        set_hook(Box::new(|panic| {
            LAST.with(|last| *last.borrow_mut() = panic.to_string());
        }));
    });
    if catch_unwind(AssertUnwindSafe(run)).is_err() {
        LAST.with(|last| eprintln!("{}", last.borrow()));
        abort();
    }
}
