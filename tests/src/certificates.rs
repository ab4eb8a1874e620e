//! Certificates for servers of the tests: made by openssl, in a folder of their own, good for this machine's loopback addresses.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::account::Account;
use crate::processes::run;

/// An authority and a server's certificate from it; some clients refuse a server that is its own authority.
#[derive(Debug)]
pub struct Certificates {
    folder: TempDir,
}

const NEW: [&str; 9] = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
/// Opens [`Certificates::store`].
const STORE_PASSWORD: &str = "pass:secret";

impl Certificates {
    pub fn make() -> anyhow::Result<Self> {
        let certificates = Self { folder: tempfile::tempdir()? };
        // servers read them as other users
        std::fs::set_permissions(certificates.folder.path(), PermissionsExt::from_mode(0o755))?;
        let [ca, ca_key, cert, key] = ["ca.pem", "ca-key.pem", "cert.pem", "key.pem"].map(|name| certificates.path(name));
        let openssl = |more: &[&str]| run("openssl", NEW.iter().chain(more)).map(|_| ());
        openssl(&["-subj", "/CN=earshot's test authority", "-keyout", &ca_key, "-out", &ca])?;
        openssl(&[
            "-subj",
            "/CN=earshot.test",
            "-addext",
            "subjectAltName=DNS:localhost,DNS:earshot.test,IP:127.0.0.1",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-CA",
            &ca,
            "-CAkey",
            &ca_key,
            "-keyout",
            &key,
            "-out",
            &cert,
        ])?;
        Ok(certificates)
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    pub fn authority(&self) -> String {
        self.path("ca.pem")
    }

    pub fn certificate(&self) -> String {
        self.path("cert.pem")
    }

    pub fn key(&self) -> String {
        self.path("key.pem")
    }

    /// Certificate and key as Java reads them.
    pub fn store(&self) -> anyhow::Result<String> {
        let store = self.path("store.p12");
        let (cert, key) = (self.certificate(), self.key());
        run("openssl", ["pkcs12", "-export", "-in", &cert, "-inkey", &key, "-passout", STORE_PASSWORD, "-out", &store])?;
        Ok(store)
    }

    /// A copy of the key that this user alone can read, as database servers demand.
    pub fn key_of(&self, owner: Account, folder: &Path) -> anyhow::Result<PathBuf> {
        let key = folder.join("key.pem");
        std::fs::copy(self.key(), &key)?;
        std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600))?;
        owner.own(&key)?;
        Ok(key)
    }
}
