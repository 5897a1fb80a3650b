//! The pictures that the arguments name, one after the other.

use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};

use glob::Pattern;
use lenet_files::{Error, Format, Tally, open};
use lenet_picture::is_picture;

use super::containers::{Content, Input, Pictures, pictures};
use crate::arguments::Predict;

/// The path of a file to read, or why one cannot be found.
type Found = Result<PathBuf, Error>;

/// The pictures of all arguments, in their order. Folders, lists, archives and IDX files are read only
/// as their pictures are needed, so that memory holds the names in one folder and in those above it.
pub struct Inputs {
    named: Box<dyn Iterator<Item = Found> + Send>,
    /// The paths of `--files-from`, which come after those.
    list: Option<(PathBuf, BufReader<Box<dyn Read + Send>>)>,
    /// What was found for a path of the list.
    of_list: Option<Box<dyn Iterator<Item = Found> + Send>>,
    /// What a file of many pictures holds.
    inside: Option<Pictures>,
    /// Only each input of so many, from this one on.
    shard: (usize, usize),
    count: usize,
}

impl Inputs {
    pub fn new(arguments: &Predict) -> Result<Self, Error> {
        let list = match &arguments.files_from {
            // Some rounds of paths, of which the next is read while one is answered.
            Some(path) => Some((
                path.clone(),
                BufReader::with_capacity(1 << 18, stream(path)?),
            )),
            None => None,
        };
        Ok(Self {
            named: Box::new(all(arguments.files.clone())),
            list,
            of_list: None,
            inside: None,
            shard: arguments.shard.unwrap_or((1, 1)),
            count: 0,
        })
    }

    /// Whether the next input is there without waiting for more of a list, whose writer may wait for
    /// the answers to what it has written.
    pub fn is_ready(&self) -> bool {
        let has_line = |(_, reader): &(_, BufReader<_>)| reader.buffer().contains(&b'\n');
        self.inside.is_some() || self.list.as_ref().is_none_or(has_line)
    }

    /// The next path.
    fn find(&mut self) -> Option<Found> {
        if let Some(found) = self.named.next() {
            return Some(found);
        }
        loop {
            if let Some(found) = self.of_list.as_mut().and_then(Iterator::next) {
                return Some(found);
            }
            let (path, reader) = self.list.as_mut()?;
            let mut line = Vec::new();
            match reader.read_until(b'\n', &mut line) {
                Ok(0) => return None,
                Ok(_) => {}
                Err(source) => {
                    let error = Error::io("read", path, source);
                    self.list = None;
                    return Some(Err(error));
                }
            }
            let line = line.trim_ascii_end();
            if !line.is_empty() {
                self.of_list = Some(Box::new(all(vec![path_of(line)])));
            }
        }
    }

    /// The next picture, whichever shard it belongs to.
    fn any(&mut self) -> Option<Result<Input, Error>> {
        loop {
            if let Some(input) = self.inside.as_mut().and_then(Iterator::next) {
                return Some(input);
            }
            self.inside = None;
            let name = match self.find()? {
                Ok(name) => name,
                Err(error) => return Some(Err(error)),
            };
            let many = [Format::IDX, Format::TAR, Format::GZIP].map(Some);
            let is_one = || is_picture(&name) || !many.contains(&Format::of_file(&name));
            if name != Path::new("-") && is_one() {
                let content = Content::File;
                return Some(Ok(Input { name, content }));
            }
            match stream(&name) {
                Ok(stream) => self.inside = Some(pictures(&name, Box::new(BufReader::new(stream)))),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl Iterator for Inputs {
    type Item = Result<Input, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let (own, shards) = self.shard;
        loop {
            let input = self.any()?;
            self.count += 1;
            if (self.count + shards - own).is_multiple_of(shards) {
                return Some(input);
            }
        }
    }
}

/// A file, or standard input.
fn stream(path: &Path) -> Result<Box<dyn Read + Send>, Error> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin()));
    }
    Ok(Box::new(open(path)?))
}

#[cfg(unix)]
fn path_of(line: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStringExt as _;
    OsString::from_vec(line.to_vec()).into()
}

#[cfg(not(unix))]
fn path_of(line: &[u8]) -> PathBuf {
    OsString::from(String::from_utf8_lossy(line).into_owned()).into()
}

/// What each of these names.
fn all(named: Vec<PathBuf>) -> impl Iterator<Item = Found> {
    named.into_iter().flat_map(|named| {
        let (walk, error) = match Walk::new(&named) {
            Ok(walk) => (Some(walk), None),
            Err(error) => (None, Some(Err(error))),
        };
        error.into_iter().chain(walk.into_iter().flatten())
    })
}

/// What a file, a folder or a pattern names. Shells expand patterns too, but not all, and not those
/// quoted because they match more than a command line can hold.
struct Walk {
    named: PathBuf,
    /// The names of the pattern, from the first that does not exist as it is written.
    parts: Vec<Pattern>,
    /// What is still to be visited, last first.
    stack: Vec<(PathBuf, Place)>,
    is_empty: bool,
    left_out: Tally,
}

/// How a path was found.
#[derive(Clone, Copy)]
enum Place {
    /// It matches so many parts of the pattern; if these are all, it was named.
    Matches(usize),
    /// It is below a folder that was named.
    Below,
}

impl Walk {
    fn new(named: &Path) -> Result<Self, Error> {
        let (mut base, mut parts) = (PathBuf::new(), Vec::<Pattern>::new());
        for name in named {
            let path = base.join(name);
            let pattern = name
                .to_str()
                .filter(|name| name.contains(['*', '?', '[']))
                .filter(|_| path.symlink_metadata().is_err());
            if parts.is_empty() && pattern.is_none() {
                base = path;
                continue;
            }
            let part = Pattern::new(&name.to_string_lossy())
                .map_err(|error| Error::input(format!("not a pattern: {error}")).at(named))?;
            if !(is_deep(&part) && parts.last().is_some_and(is_deep)) {
                parts.push(part);
            }
        }
        Ok(Self {
            named: named.to_owned(),
            parts,
            stack: vec![(base, Place::Matches(0))],
            is_empty: true,
            left_out: Tally::default(),
        })
    }

    /// What is to be visited in a folder, by name.
    fn enter(
        &mut self,
        folder: &Path,
        is_wanted: impl Fn(&Path) -> bool,
        place: Place,
    ) -> Option<Found> {
        let here = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        let paths = fs::read_dir(here).and_then(|entries| {
            let paths = entries.map(|entry| Ok(folder.join(entry?.file_name())));
            paths.collect::<std::io::Result<Vec<PathBuf>>>()
        });
        let mut paths = match paths {
            Ok(paths) => paths,
            Err(source) => return Some(Err(Error::io("read", folder, source))),
        };
        paths.retain(|path| is_wanted(path));
        paths.sort_unstable_by(|a, b| b.cmp(a));
        let found = paths.into_iter().map(|path| (path, place));
        self.stack.extend(found);
        None
    }

    /// A file, or an error, if the path is one.
    fn visit(&mut self, path: PathBuf, place: Place) -> Option<Found> {
        let (part, next) = match place {
            Place::Matches(index) => (self.parts.get(index).cloned(), index + 1),
            Place::Below => (None, 0),
        };
        let is_last = next >= self.parts.len();
        match (part, place) {
            (Some(part), _) if !is_deep(&part) => {
                let matches = |path: &Path| {
                    let name = path.file_name().unwrap_or_default();
                    part.matches(&name.to_string_lossy()) && (is_last || path.is_dir())
                };
                self.enter(&path, matches, Place::Matches(next))
            }
            (Some(_), _) => {
                let failed = (!is_last).then(|| self.enter(&path, is_folder, place));
                self.stack.push((path, Place::Matches(next)));
                failed.flatten()
            }
            (None, Place::Matches(_)) if path.is_dir() => self.enter(&path, |_| true, Place::Below),
            (None, Place::Below) if is_folder(&path) => self.enter(&path, |_| true, place),
            (None, Place::Below) if path.is_dir() => None,
            (None, Place::Below) if !is_picture(&path) => {
                if !is_hidden(&path) {
                    self.left_out.add(&path);
                }
                None
            }
            _ => Some(Ok(path)),
        }
    }
}

impl Iterator for Walk {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        while let Some((path, place)) = self.stack.pop() {
            if let Some(input) = self.visit(path, place) {
                self.is_empty = false;
                return Some(input);
            }
        }
        let (named, left_out) = (&self.named, std::mem::take(&mut self.left_out));
        // Reported once.
        if std::mem::take(&mut self.is_empty) {
            let reason = if !left_out.is_empty() {
                format!("{ONLY} are read, and there are only {left_out}")
            } else if self.parts.is_empty() {
                format!("a folder without pictures: {ONLY} are read")
            } else {
                "no file matches".to_owned()
            };
            return Some(Err(Error::input(reason).at(named)));
        }
        if !left_out.is_empty() {
            tracing::warn!("{named:?}: left out are {left_out}; {ONLY} are read");
        }
        None
    }
}

const ONLY: &str = "only PNG, JPEG and BMP pictures";

fn is_deep(part: &Pattern) -> bool {
    part.as_str() == "**"
}

/// Whether it is a folder and not a link to one: links are not followed downwards, so that no folder
/// is visited twice.
fn is_folder(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|found| found.is_dir())
}

fn is_hidden(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    name.as_encoded_bytes().starts_with(b".")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(root: &Path, named: &[&str]) -> Vec<String> {
        let named: Vec<PathBuf> = named.iter().map(|name| root.join(name)).collect();
        let short = |path: &Path| path.strip_prefix(root).unwrap().display().to_string();
        all(named)
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
        // A link back to a folder above is not followed by `**` either.
        assert_eq!(names(root, &["**/*.jpeg"]), ["a/deep/1.jpeg"]);
        assert_eq!(names(root, &["**/deep/**"]), ["a/deep/1.jpeg"]);
        assert_eq!(names(root, &["[ab]/**/*.JPG"]), ["a/10.JPG"]);
        fs::create_dir_all(root.join("set [1]/x")).unwrap();
        fs::write(root.join("set [1]/x/7.dat"), b"\xff\xd8\xff\xe0").unwrap();
        assert_eq!(names(root, &["set [1]/*/7.*"]), ["set [1]/x/7.dat"]);
        // By its content a picture, whatever its name is.
        assert_eq!(names(root, &["set [1]"]), ["set [1]/x/7.dat"]);
        assert_eq!(names(root, &["empty", "c*"]), ["error empty", "error c*"]);
        assert_eq!(names(root, &["gone.png"]), ["gone.png"]);
        #[cfg(unix)]
        assert_eq!(names(root, &["b"]), ["b/loop.png", "b/x[1].png"]);
    }
}
