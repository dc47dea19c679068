//! A disk that can be filled.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A file system in memory of its own, for the time of one test.
pub struct SmallDisk(TempDir);

impl SmallDisk {
    /// Needs the right to mount; says so where there is none.
    pub fn mount(bytes: u64) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let size = format!("size={bytes}");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(dir.path())
            .output();
        match mount {
            Ok(mount) if mount.status.success() => Some(Self(dir)),
            failed => {
                // In CI this runs as root, and must.
                assert!(std::env::var_os("CI").is_none(), "no tmpfs can be mounted: {failed:?}");
                eprintln!("SKIPPED, a tmpfs cannot be mounted here: {failed:?}");
                None
            }
        }
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn state_dir(&self) -> PathBuf {
        self.path().join("state")
    }

    /// Takes all space that is free, but for so many bytes.
    pub fn fill_but(&self, bytes: u64) {
        let path = self.path().join("filler");
        let error = fs::write(&path, vec![0; 64 << 20]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
        let filler = fs::OpenOptions::new().write(true).open(&path).unwrap();
        filler.set_len(filler.metadata().unwrap().len() - bytes).unwrap();
    }

    pub fn fill(&self) {
        self.fill_but(0);
    }

    pub fn clear(&self) {
        fs::remove_file(self.path().join("filler")).unwrap();
    }

    pub fn remount(&self, mode: &str) {
        let options = format!("remount,{mode}");
        let status = Command::new("mount").args(["-o", &options]).arg(self.path()).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, since a failed test may still have files open.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}
