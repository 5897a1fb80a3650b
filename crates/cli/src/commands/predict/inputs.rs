//! The pictures that the arguments name, one after the other.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use lenet_data::Error;

use crate::failure::Failure;

/// A file to read, or why one cannot be found.
pub type Input = Result<PathBuf, (PathBuf, Failure)>;

/// The pictures of all arguments, in their order. Folders are walked as the pictures are asked for,
/// so that what is kept is the names in one folder and in those above it.
pub fn all(named: &[PathBuf]) -> impl Iterator<Item = Input> {
    named.iter().flat_map(|named| expanded(named))
}

/// What a shell expands as a pattern is expanded here too, for those that do not, and for patterns
/// that are quoted because they match more than a command line can hold. A file of that name comes
/// first.
fn expanded(named: &Path) -> Box<dyn Iterator<Item = Input>> {
    if named.is_dir() {
        return Box::new(Walk::new(named));
    }
    let pattern = named.to_str().filter(|name| name.contains(['*', '?', '[']));
    let Some(pattern) = pattern.filter(|_| named.symlink_metadata().is_err()) else {
        return Box::new(std::iter::once(Ok(named.to_owned())));
    };
    let nothing = |reason: &str| {
        let failure = Failure::Inputs(format!("{named:?}: {reason}"));
        Box::new(std::iter::once(Err((named.to_owned(), failure))))
    };
    let mut found = match glob::glob(pattern) {
        Ok(found) => found.peekable(),
        Err(error) => return nothing(&format!("not a pattern: {error}")),
    };
    if found.peek().is_none() {
        return nothing("no file has such a name");
    }
    Box::new(found.flat_map(|found| -> Box<dyn Iterator<Item = Input>> {
        match found {
            Ok(path) if path.is_dir() => Box::new(Walk::new(&path)),
            Ok(path) => Box::new(std::iter::once(Ok(path))),
            Err(error) => {
                let path = error.path().to_owned();
                Box::new(std::iter::once(Err(unreadable(path, error.into()))))
            }
        }
    }))
}

fn unreadable(path: PathBuf, source: io::Error) -> (PathBuf, Failure) {
    let operation = "read";
    let error = Error::Io {
        operation,
        path: path.clone(),
        source,
    };
    (path, error.into())
}

/// The pictures in a folder and in the folders below it, by name. Links to folders are not followed,
/// so that no folder is met twice.
struct Walk {
    root: PathBuf,
    /// What is still to come of each open folder, the last name first.
    open: Vec<Vec<PathBuf>>,
    error: Option<(PathBuf, Failure)>,
    is_empty: bool,
}

impl Walk {
    fn new(root: &Path) -> Self {
        let mut walk = Self {
            root: root.to_owned(),
            open: Vec::new(),
            error: None,
            is_empty: true,
        };
        walk.enter(root);
        walk
    }

    fn enter(&mut self, folder: &Path) {
        let listed = fs::read_dir(folder).and_then(|entries| {
            let paths = entries.map(|entry| Ok(entry?.path()));
            paths.collect::<io::Result<Vec<PathBuf>>>()
        });
        match listed {
            Ok(mut paths) => {
                paths.sort_unstable_by(|a, b| b.cmp(a));
                self.open.push(paths);
            }
            Err(source) => self.error = Some(unreadable(folder.to_owned(), source)),
        }
    }
}

impl Iterator for Walk {
    type Item = Input;

    fn next(&mut self) -> Option<Input> {
        loop {
            if let Some(error) = self.error.take() {
                self.is_empty = false;
                return Some(Err(error));
            }
            let Some(folder) = self.open.last_mut() else {
                // Said once.
                if !std::mem::take(&mut self.is_empty) {
                    return None;
                }
                let root = &self.root;
                let nothing =
                    format!("{root:?}: no file in this folder ends in .png, .jpg or .jpeg");
                return Some(Err((root.clone(), Failure::Inputs(nothing))));
            };
            let Some(path) = folder.pop() else {
                self.open.pop();
                continue;
            };
            let kind = path.symlink_metadata().map(|metadata| metadata.file_type());
            if kind.is_ok_and(|kind| kind.is_dir()) {
                self.enter(&path);
            } else if is_picture(&path) && !path.is_dir() {
                self.is_empty = false;
                return Some(Ok(path));
            }
        }
    }
}

fn is_picture(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    ["png", "jpg", "jpeg"]
        .iter()
        .any(|known| extension == *known)
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
                Err((path, _)) => format!("error {}", short(&path)),
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
