//! What the lab lays over a root before a run: identity, bait, samples, configuration, trust.

use std::path::Path;

use miette::{Context as _, IntoDiagnostic as _, Result};
use watchglass_bait::{Bait, Identity};
use watchglass_checks::{SAMPLES_FOLDER, home_of};
use watchglass_claims::{Install, InstalledFile, LaidFile, Product};
use watchglass_specimens::WORLD_MARK_PATH;
use watchglass_world::{Attributes, Layer, LayerBuilder};

use crate::in_place;
use crate::specimens::OwnProduct;

/// Where Debian and its kin keep the certificates that programs trust.
const TRUST_BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";
/// The user who lives in the bait's home.
const PERSON: u32 = 1000;

/// What is laid over a root.
pub(crate) struct Furniture<'a> {
    /// The product with placeholders filled in.
    pub(crate) product: &'a Product,
    pub(crate) identity: &'a Identity,
    pub(crate) bait: &'a Bait,
    /// Certificate of the lab's authority; none where nothing answers.
    pub(crate) authority_pem: &'a str,
    /// Address of the resolver.
    pub(crate) resolver: String,
    /// Whether the product file's `[[configuration]]` is laid over.
    pub(crate) configured: bool,
    /// Whether there are no namespaces to show the world's own network.
    pub(crate) in_place: bool,
    /// The product, where it is the lab's own.
    pub(crate) own: Option<&'a OwnProduct>,
}

impl Furniture<'_> {
    pub(crate) fn layer(&self) -> Result<Layer> {
        let mut layer = LayerBuilder::new().into_diagnostic()?;
        self.person(&mut layer)?;
        self.bait(&mut layer)?;
        self.network(&mut layer)?;
        if let Some(own) = self.own {
            let readable = Attributes::of_root(0o644);
            layer.put(WORLD_MARK_PATH, own.mark().as_bytes(), readable).into_diagnostic()?;
        }
        if self.in_place {
            in_place::lay(&mut layer)?;
        }
        for file in installed(self.product) {
            install(&mut layer, file)?;
        }
        if self.configured {
            for laid in &self.product.configuration {
                lay(&mut layer, laid)?;
            }
        }
        Ok(layer.finish())
    }

    fn person(&self, layer: &mut LayerBuilder) -> Result<()> {
        let identity = self.identity;
        layer.identity(&identity.host_name, &identity.machine_id).into_diagnostic()?;
        let (user, home) = (&identity.user, home_of(identity));
        let passwd =
            format!("{user}:x:{PERSON}:{PERSON}:{},,,:{home}:/bin/sh\n", identity.full_name);
        layer.append("/etc/passwd", passwd.as_bytes()).into_diagnostic()?;
        layer.append("/etc/group", format!("{user}:x:{PERSON}:\n").as_bytes()).into_diagnostic()
    }

    fn bait(&self, layer: &mut LayerBuilder) -> Result<()> {
        let home = home_of(self.identity);
        let folder = Attributes { mode: 0o755, uid: PERSON, gid: PERSON };
        layer.dir(&home, folder).into_diagnostic()?;
        for file in self.bait.files() {
            let path = format!("{home}/{}", file.path);
            let attributes = Attributes { mode: file.mode, uid: PERSON, gid: PERSON };
            layer.put(&path, &file.bytes, attributes).into_diagnostic()?;
        }
        layer.dir(SAMPLES_FOLDER, Attributes::of_root(0o755)).into_diagnostic()?;
        for sample in self.bait.samples() {
            let path = format!("{SAMPLES_FOLDER}/{}", sample.path);
            layer.put(&path, &sample.bytes, Attributes::of_root(0o644)).into_diagnostic()?;
        }
        Ok(())
    }

    fn network(&self, layer: &mut LayerBuilder) -> Result<()> {
        let resolver = format!("nameserver {}\n", self.resolver);
        let readable = Attributes::of_root(0o644);
        layer.put("/etc/resolv.conf", resolver.as_bytes(), readable).into_diagnostic()?;
        layer.append(TRUST_BUNDLE, self.authority_pem.as_bytes()).into_diagnostic()
    }
}

pub(crate) fn installed(product: &Product) -> &[InstalledFile] {
    match &product.install {
        Install::Debian { files, .. } | Install::Host { files } => files,
    }
}

fn install(layer: &mut LayerBuilder, file: &InstalledFile) -> Result<()> {
    let content = std::fs::read(Path::new(&file.from))
        .into_diagnostic()
        .wrap_err_with(|| format!("cannot read {}, which the product file installs", file.from))?;
    layer.put(&file.to, &content, Attributes::of_root(file.mode)).into_diagnostic()
}

fn lay(layer: &mut LayerBuilder, laid: &LaidFile) -> Result<()> {
    let done = if laid.append {
        layer.append(&laid.path, laid.content.as_bytes())
    } else {
        layer.put(&laid.path, laid.content.as_bytes(), Attributes::of_root(0o644))
    };
    done.into_diagnostic()
}
