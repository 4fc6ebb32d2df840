use super::*;

fn files(dir: &Path, names: &[&str]) {
    for name in names {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, name).unwrap();
    }
}

#[test]
fn an_input_is_found_however_it_is_spelled() {
    let dir = tempfile::tempdir().unwrap();
    files(dir.path(), &["photos/dog.png", "other/a.txt"]);
    let photo = dir.path().join("photos/dog.png");
    let places = Places::new().reads(&photo);
    for spelled in [
        "photos/dog.png",
        "photos/./dog.png",
        "other/../photos/dog.png",
        "new/../photos/dog.png",
        "new/newer/../../photos/../photos/dog.png",
    ] {
        let error = places.clone().writes(dir.path().join(spelled)).check();
        assert!(
            matches!(error, Err(Error::OutputIsInput { .. })),
            "{spelled}: {error:?}"
        );
    }
    for apart in ["photos/dog.v2.png", "photos/cat.png", "new/dog.png"] {
        places
            .clone()
            .writes(dir.path().join(apart))
            .check()
            .unwrap();
    }
}

#[cfg(unix)]
#[test]
fn links_hide_nothing() {
    use std::os::unix::fs::symlink;
    let dir = tempfile::tempdir().unwrap();
    files(dir.path(), &["real/dog.png", "photos/cat.png"]);
    let at = |name: &str| dir.path().join(name);
    symlink(at("real"), at("linked")).unwrap();
    symlink(at("real/dog.png"), at("photos/dog.png")).unwrap();
    std::fs::hard_link(at("real/dog.png"), at("real/same.png")).unwrap();
    for (input, output) in [
        ("real/dog.png", "linked/dog.png"),
        ("linked/dog.png", "real/dog.png"),
        ("photos/dog.png", "linked/dog.png"),
        ("photos/dog.png", "photos/dog.png"),
        ("real/dog.png", "photos/dog.png"),
        ("real/dog.png", "linked/same.png"),
        ("real", "linked"),
    ] {
        let error = Places::new().reads(at(input)).writes(at(output)).check();
        assert!(
            matches!(error, Err(Error::OutputIsInput { .. })),
            "{input} {output}: {error:?}"
        );
    }
    let below = Places::new()
        .reads(at("real"))
        .writes(at("linked/new/a.png"));
    assert!(matches!(below.check(), Err(Error::OutputInInput { .. })));
    assert!(same_place(&at("real/new"), &at("linked/New")));
    assert!(!same_place(&at("real/new"), &at("photos/new")));
}

#[test]
fn folders_hold_what_is_in_them() {
    let dir = tempfile::tempdir().unwrap();
    files(
        dir.path(),
        &["pairs/input/0.png", "out/fog/train/0.png", "file"],
    );
    let at = |name: &str| dir.path().join(name);
    let pairs = Places::new().reads(at("pairs"));
    let inside = pairs.clone().writes(at("pairs/new/grid.png")).check();
    assert!(matches!(inside, Err(Error::OutputInInput { .. })));
    pairs.writes(at("pairs-2/grid.png")).check().unwrap();
    // Photos: edits may lie in a folder below them.
    let photos = Places::new().reads_directly_in(at("pairs/input"));
    photos
        .clone()
        .writes(at("pairs/input/edited/0.png"))
        .check()
        .unwrap();
    for output in ["pairs/input/1.png", "pairs/../pairs/input/1.png"] {
        let error = photos.clone().writes(at(output)).check();
        assert!(
            matches!(error, Err(Error::OutputInInput { .. })),
            "{error:?}"
        );
    }
    // A folder whose files are replaced.
    let replaced = Places::new()
        .reads(at("out/fog/train"))
        .writes(at("out/fog"));
    assert!(matches!(replaced.check(), Err(Error::InputInOutput { .. })));
    // A file of the folder in which an input lies is no danger to it.
    let beside = Places::new()
        .reads(at("out/fog/train"))
        .writes(at("out/report.json"));
    beside.check().unwrap();
    let among = Places::new().writes_all([at("zoo/concepts"), at("zoo/concepts/fog.json")]);
    assert!(matches!(among.check(), Err(Error::OutputInOutput { .. })));
    let below_file = Places::new().writes(at("file/grid.png")).check();
    assert!(matches!(below_file, Err(Error::NotAFolder { .. })));
}

#[test]
fn outputs_are_told_apart_by_more_than_case_and_accents() {
    let dir = tempfile::tempdir().unwrap();
    let two = |a: &str, b: &str| {
        let places = Places::new().writes_all([a, b].map(|name| dir.path().join(name)));
        places.check()
    };
    two("new/dog.png", "new/dog.jpg.png").unwrap();
    two("new/dog.png", "new-2/dog.png").unwrap();
    for (a, b) in [
        ("new/dog.png", "new/dog.png"),
        ("new/dog.png", "new/Dog.PNG"),
        ("new/dog.png", "new/../new/dog.png"),
        ("new/Zo\u{eb}.png", "new/Zoe\u{308}.png"),
    ] {
        let error = two(a, b);
        assert!(matches!(error, Err(Error::SameOutput { .. })), "{a} {b}");
    }
    // An earlier run's outputs may be replaced.
    files(dir.path(), &["new/dog.png"]);
    Places::new()
        .writes(dir.path().join("new/dog.png"))
        .check()
        .unwrap();
}

#[test]
fn relative_paths_are_those_of_the_current_folder() {
    assert!(same_place(Path::new("new.png"), Path::new("./new.png")));
    assert!(same_place(
        Path::new("."),
        &std::env::current_dir().unwrap()
    ));
    assert!(!same_place(Path::new("new.png"), Path::new("new.jpg")));
}

#[cfg(unix)]
#[test]
fn what_is_neither_file_nor_folder_is_no_output() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let error = Places::new().writes(&socket).check().unwrap_err();
    assert!(error.to_string().contains("a socket"), "{error}");
    Places::new().writes(dir.path()).check().unwrap();
}
