//! `kill -9` at any moment: the run that is started again and again ends with the bytes of the one left alone.

use super::{Small, assert_same_results, told};
use greybox::rng::{Purpose, Stream};
use std::time::{Duration, Instant};

/// How many times a run is killed; `scripts/kill-test` sets it.
fn kills() -> u32 {
    std::env::var("GREYBOX_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(4)
}

fn killed_runs_end_as_one_left_alone(device: &str, epochs: usize, seed: u64) {
    let small = Small::new(epochs);
    let start = Instant::now();
    let (code, _, err) = told(&small.command("whole", device).output().unwrap());
    assert_eq!(code, 0, "{err}");
    let whole = start.elapsed().as_secs_f64();
    let stream = Stream::new(seed, Purpose::Simulation);
    let (mut killed, mut finished) = (0, 0);
    while killed < kills() {
        let after = Duration::from_secs_f64(whole * stream.uniform(killed, finished));
        let errors = std::fs::File::create(small.path("errors.txt")).unwrap();
        let mut child =
            small.command("killed", device).stdout(errors.try_clone().unwrap()).stderr(errors).spawn().unwrap();
        std::thread::sleep(after);
        let ended = child.try_wait().unwrap();
        child.kill().unwrap();
        let status = child.wait().unwrap();
        let said = std::fs::read_to_string(small.path("errors.txt")).unwrap();
        assert!(!said.contains("panicked") && !said.contains("damaged"), "{said}");
        match ended {
            None => killed += 1,
            // It came to its end before its time: the next begins anew.
            Some(_) => {
                assert!(status.success(), "{said}");
                assert_same_results(&small.results("killed"), &small.results("whole"));
                finished += 1;
                std::fs::remove_dir_all(small.path("killed")).unwrap();
            }
        }
    }
    let (code, _, err) = told(&small.command("killed", device).output().unwrap());
    assert_eq!(code, 0, "{err}");
    assert_same_results(&small.results("killed"), &small.results("whole"));
    println!("{device}: a run of {whole:.1} s; {killed} kills, {} runs to the end", finished + 1);
}

#[test]
fn on_the_cpu() {
    killed_runs_end_as_one_left_alone("cpu", 40, 1);
}

#[test]
fn on_an_adapter() {
    killed_runs_end_as_one_left_alone("llvmpipe", 20, 2);
}

/// Death at each step of writing a file, once for each of the first files, and then at every third.
#[test]
fn death_inside_of_a_write_leaves_the_old_file_or_the_new_one() {
    let small = Small::new(6);
    small.finish("whole");
    let expected = small.results("whole");
    let mut deaths = 0;
    for point in ["die-writing", "die-before-rename", "die-after-rename"] {
        // Every start comes further than the one before, as what is finished is not written again.
        for passage in [1, 2, 3, 5, 8, 13] {
            let (code, _, err) = small.run(point, &format!("{point}:{passage}"), &[]);
            assert!(code == -1 || code == 0, "{code}: {err}");
            deaths += u32::from(code == -1);
        }
        small.finish(point);
        assert_same_results(&small.results(point), &expected);
    }
    assert!(deaths >= 15, "{deaths}");
}
