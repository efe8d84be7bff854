//! One process at a time in a folder of results.

use greybox::store::{LockError, RunLock};

#[test]
fn those_who_share_a_folder_keep_out_who_wants_it_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (RunLock::share(folder.path()).unwrap(), RunLock::share(folder.path()).unwrap());
    let message = RunLock::take(folder.path()).unwrap_err().to_string();
    assert!(message.contains("processes that share a landscape") && message.contains("help: "), "{message}");
    drop(first);
    RunLock::take(folder.path()).unwrap_err();
    drop(second);
    let alone = RunLock::take(folder.path()).unwrap();
    let message = RunLock::share(folder.path()).unwrap_err().to_string();
    assert!(message.contains(&format!("process {} on ", std::process::id())), "{message}");
    drop(alone);
}

#[test]
fn a_second_lock_is_refused_until_the_first_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let first = RunLock::take(folder.path()).unwrap();
    let refused = RunLock::take(folder.path()).unwrap_err();
    assert!(matches!(refused, LockError::Held { .. }), "{refused}");
    let message = refused.to_string();
    let process = format!("process {} on ", std::process::id());
    assert!(message.contains(&process) && message.contains(", since 2") && message.contains("help: "), "{message}");
    drop(first);
    drop(RunLock::take(folder.path()).unwrap());
    let message = RunLock::take(&folder.path().join("none")).unwrap_err().to_string();
    assert!(message.contains("run.lock") && message.contains("help: "), "{message}");
}
