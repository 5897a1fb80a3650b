//! The pictures that the arguments name, one after the other.

use std::fs;
use std::path::{Path, PathBuf};

use lenet_files::Error;
use lenet_picture::EXTENSIONS;

/// A file to read, or why one cannot be found.
pub type Input = Result<PathBuf, Error>;

/// The pictures of all arguments, in their order. Folders are read only as their pictures are
/// needed, so that memory holds the names in one folder and in those above it.
pub fn all(named: &[PathBuf]) -> impl Iterator<Item = Input> {
    named.iter().flat_map(|named| expanded(named))
}

/// Expands a folder or a pattern. Shells expand patterns too, but not all, and not those quoted
/// because they match more than a command line can hold. A file of that very name comes first.
fn expanded(named: &Path) -> Box<dyn Iterator<Item = Input>> {
    if named.is_dir() {
        return Box::new(walk(named.to_owned()));
    }
    let pattern = named.to_str().filter(|name| name.contains(['*', '?', '[']));
    let Some(pattern) = pattern.filter(|_| named.symlink_metadata().is_err()) else {
        return Box::new(std::iter::once(Ok(named.to_owned())));
    };
    let nothing = |reason: String| Box::new(std::iter::once(Err(Error::input(reason).at(named))));
    let mut found = match glob::glob(pattern) {
        Ok(found) => found.peekable(),
        Err(error) => return nothing(format!("not a pattern: {error}")),
    };
    if found.peek().is_none() {
        return nothing("no file matches".to_owned());
    }
    Box::new(found.flat_map(|found| -> Box<dyn Iterator<Item = Input>> {
        match found {
            Ok(path) if path.is_dir() => Box::new(walk(path)),
            Ok(path) => Box::new(std::iter::once(Ok(path))),
            Err(error) => {
                let path = error.path().to_owned();
                Box::new(std::iter::once(Err(Error::io("read", &path, error.into()))))
            }
        }
    }))
}

/// The pictures in a folder and its subfolders, by name. Links to folders are not followed, so that
/// no folder is visited twice.
fn walk(root: PathBuf) -> impl Iterator<Item = Input> {
    // What is still to be visited, last first.
    let mut stack = vec![root.clone()];
    let mut is_empty = true;
    std::iter::from_fn(move || {
        while let Some(path) = stack.pop() {
            let is_folder = path.symlink_metadata().is_ok_and(|found| found.is_dir());
            if is_folder || path == root {
                let entries = fs::read_dir(&path).and_then(|entries| {
                    let paths = entries.map(|entry| Ok(entry?.path()));
                    paths.collect::<std::io::Result<Vec<PathBuf>>>()
                });
                match entries {
                    Ok(mut paths) => {
                        paths.sort_unstable_by(|a, b| b.cmp(a));
                        stack.append(&mut paths);
                    }
                    Err(source) => {
                        is_empty = false;
                        return Some(Err(Error::io("read", &path, source)));
                    }
                }
            } else if is_picture(&path) && !path.is_dir() {
                is_empty = false;
                return Some(Ok(path));
            }
        }
        // Reported once.
        let nothing = "no file in this folder ends in .png, .jpg, .jpeg or .bmp";
        std::mem::take(&mut is_empty).then(|| Err(Error::input(nothing).at(&root)))
    })
}

fn is_picture(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    EXTENSIONS.iter().any(|known| extension == *known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(root: &Path, named: &[&str]) -> Vec<String> {
        let named: Vec<PathBuf> = named.iter().map(|name| root.join(name)).collect();
        let short = |path: &Path| path.strip_prefix(root).unwrap().display().to_string();
        all(&named)
            .map(|input| match input {
                Ok(path) => short(&path),
                Err(error) => format!("error {}", short(error.path().unwrap())),
            })
            .collect()
    }

    /// D7, but for the number of files.
    #[test]
    fn folders_patterns_and_links() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        for folder in ["a/deep", "b", "empty"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        for file in [
            "a/2.png",
            "a/10.JPG",
            "a/note.txt",
            "a/deep/1.jpeg",
            "b/x[1].png",
        ] {
            fs::write(root.join(file), "").unwrap();
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("..", root.join("a/round")).unwrap();
            std::os::unix::fs::symlink("loop.png", root.join("b/loop.png")).unwrap();
        }
        assert_eq!(
            names(root, &["a"]),
            ["a/10.JPG", "a/2.png", "a/deep/1.jpeg"]
        );
        assert_eq!(
            names(root, &["a/*.png", "b/x[1].png"]),
            ["a/2.png", "b/x[1].png"]
        );
        let deep = names(root, &["**/*.jpeg"]);
        assert!(deep.contains(&"a/deep/1.jpeg".to_owned()), "{deep:?}");
        assert_eq!(names(root, &["empty", "c*"]), ["error empty", "error c*"]);
        assert_eq!(names(root, &["gone.png"]), ["gone.png"]);
        #[cfg(unix)]
        assert_eq!(names(root, &["b"]), ["b/loop.png", "b/x[1].png"]);
    }
}
