//! What counts as an image of a folder.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use image_files::{Error, ImageFiles, count_by_format, read_image, stem, subfolders};

fn touch(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, "").unwrap();
}

fn names(root: &Path, files: &[PathBuf]) -> Vec<String> {
    files
        .iter()
        .map(|f| f.strip_prefix(root).unwrap().display().to_string())
        .collect()
}

#[test]
fn what_systems_leave_behind_is_skipped() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    for name in [
        "b.png",
        "A.JPG",
        "c.jfif",
        "sub/d.webp",
        "notes.txt",
        "Thumbs.db",
        "._b.png",
        ".ipynb_checkpoints/b-checkpoint.png",
        "__MACOSX/sub/e.png",
        "@eaDir/b.png/SYNOPHOTO_THUMB_M.jpg",
        "sub/@eaDir/d.webp/SYNOPHOTO_THUMB_M.jpg",
        "scan.TIF",
        "phone.heic",
        "sub/old.bmp",
    ] {
        touch(&root.join(name));
    }
    fs::create_dir(root.join("folder.png")).unwrap();
    let flat = ImageFiles::directly_in(root).unwrap();
    assert_eq!(names(root, &flat.files), ["A.JPG", "b.png", "c.jfif"]);
    assert_eq!(names(root, &flat.unread), ["phone.heic", "scan.TIF"]);
    assert_eq!(count_by_format(&flat.unread), "1 heic, 1 tif");
    let deep = ImageFiles::below(root).unwrap();
    assert_eq!(
        names(root, &deep.files),
        ["A.JPG", "b.png", "c.jfif", "sub/d.webp"]
    );
    assert_eq!(
        names(root, &deep.unread),
        ["phone.heic", "scan.TIF", "sub/old.bmp"]
    );
    let folders: Vec<String> = subfolders(root).unwrap().into_keys().collect();
    assert_eq!(folders, ["folder.png", "sub"]);
    let error = ImageFiles::below(&root.join("none")).unwrap_err();
    assert!(error.to_string().contains("none"), "{error}");
}

#[cfg(unix)]
#[test]
fn links_are_followed_without_end() {
    use std::os::unix::fs::symlink;
    let dir = tempfile::tempdir().unwrap();
    let (root, elsewhere) = (dir.path().join("root"), dir.path().join("elsewhere"));
    for path in [root.join("a.png"), elsewhere.join("b.png")] {
        touch(&path);
    }
    symlink(&elsewhere, root.join("link")).unwrap();
    symlink(elsewhere.join("b.png"), root.join("c.png")).unwrap();
    // Back to the start, from within.
    symlink(&root, elsewhere.join("back")).unwrap();
    symlink("gone.png", root.join("dangling.png")).unwrap();
    let found = ImageFiles::below(&root).unwrap().files;
    assert_eq!(
        names(&root, &found),
        ["a.png", "c.png", "dangling.png", "link/b.png"]
    );
    let error = read_image(&root.join("dangling.png")).unwrap_err();
    assert!(error.to_string().contains("dangling.png"), "{error}");
    assert!(subfolders(&root).unwrap().contains_key("link"));
}

#[test]
fn stems_are_composed() {
    let path = |name: &str| PathBuf::from("photos").join(name);
    assert_eq!(
        stem(&path("Zoe\u{308}-cafe\u{301}.png")).unwrap(),
        "Zoë-café"
    );
    assert_eq!(stem(&path("Zoë-café.png")).unwrap(), "Zoë-café");
    assert_eq!(stem(&path("cat.v1.jpg")).unwrap(), "cat.v1");
    assert_eq!(stem(&path("Cat.jpg")).unwrap(), "Cat");
}

#[cfg(unix)]
#[test]
fn names_that_are_not_unicode_are_refused() {
    use std::os::unix::ffi::OsStrExt;
    let error = stem(Path::new(OsStr::from_bytes(b"photos/caf\xe9.png"))).unwrap_err();
    assert!(matches!(error, Error::NotUnicode { .. }), "{error}");
    assert!(error.to_string().contains("caf"), "{error}");
}
