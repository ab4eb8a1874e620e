//! What files were found to hold, so that a program that comes again is not analysed again.
//!
//! By the file, and by its build id and size: the same library has another file in each container.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashMap;

use super::files::FileId;
use crate::binary::Analysis;

/// Analyses that are kept; beyond it the oldest goes.
const ANALYSES_MAX: usize = 256;

/// A file without its symbols has the same id and another size.
type Build = (String, u64);

#[derive(Default)]
pub struct Analyses {
    by_file: HashMap<FileId, Arc<Analysis>>,
    by_build: HashMap<Build, Arc<Analysis>>,
    kept: VecDeque<(FileId, Option<Build>)>,
}

impl Analyses {
    /// `build_id` is asked only when the file itself is not known.
    pub fn get(&mut self, file: &FileId, build_id: impl FnOnce() -> Option<String>) -> Option<Arc<Analysis>> {
        if let Some(known) = self.by_file.get(file) {
            return Some(known.clone());
        }
        if self.by_build.is_empty() {
            return None;
        }
        self.by_build.get(&(build_id()?, file.bytes())).cloned()
    }

    pub fn keep(&mut self, file: &FileId, analysis: Analysis) -> Arc<Analysis> {
        let analysis = Arc::new(analysis);
        let build = analysis.build_id.clone().map(|id| (id, file.bytes()));
        self.by_file.insert(file.clone(), analysis.clone());
        if let Some(build) = &build {
            self.by_build.insert(build.clone(), analysis.clone());
        }
        self.kept.push_back((file.clone(), build));
        if self.kept.len() > ANALYSES_MAX
            && let Some((file, build)) = self.kept.pop_front()
        {
            self.by_file.remove(&file);
            if let Some(build) = build {
                self.by_build.remove(&build);
            }
        }
        analysis
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;

    use super::*;
    use crate::binary::{Confidence, Kind};

    /// The file is kept: another would get the place, and so the identity, of one that is gone.
    fn file(bytes: usize) -> (File, FileId) {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(&vec![0; bytes]).expect("its bytes");
        let id = FileId::of(&file.metadata().expect("its metadata"));
        (file, id)
    }

    fn analysis(build_id: &str) -> Analysis {
        let build_id = Some(build_id.to_owned());
        Analysis {
            kind: Kind::OpenSsl,
            build_id,
            version: None,
            sites: vec![],
            refused: vec![],
            forwarding: vec![],
            confidence: Confidence::Exported,
            layout: None,
        }
    }

    #[test]
    fn a_file_is_known_again_and_so_is_its_copy() {
        let mut analyses = Analyses::default();
        let files = [file(10), file(10), file(5)];
        let [one, copy, stripped] = files.each_ref().map(|(_, id)| id);
        let id = || Some("ab".to_owned());
        assert!(analyses.get(one, id).is_none());
        analyses.keep(one, analysis("ab"));
        assert!(analyses.get(one, || None).is_some());
        assert!(analyses.get(copy, id).is_some());
        assert!(analyses.get(copy, || Some("cd".to_owned())).is_none());
        assert!(analyses.get(stripped, id).is_none());
    }

    #[test]
    fn the_oldest_makes_room() {
        let mut analyses = Analyses::default();
        let files: Vec<(File, FileId)> = (0..=ANALYSES_MAX).map(|n| file(n + 1)).collect();
        for (n, (_, file)) in files.iter().enumerate() {
            analyses.keep(file, analysis(&n.to_string()));
        }
        assert!(analyses.get(&files[0].1, || Some("0".to_owned())).is_none());
        assert!(analyses.get(&files[1].1, || None).is_some());
        assert_eq!((analyses.by_file.len(), analyses.by_build.len()), (ANALYSES_MAX, ANALYSES_MAX));
    }
}
