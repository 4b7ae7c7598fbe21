//! `.npz` archives and single `.npy` files of NumPy.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use npyz::{DType, NpyFile, Order, TypeChar};

use super::arrays::{Array, Content, Values};
use super::assemble::ROLES;
use crate::table::TableError;

/// Longest header of an array of plain numbers or texts; NumPy writes 118 bytes.
const LONGEST_HEADER: usize = 1024;

/// Every array of an `.npz`, compressed or not, in the order of the archive.
pub(super) fn read_archive(path: &Path) -> Result<Content, TableError> {
    let refused = |reason: String| TableError::NotFeatures { path: path.to_path_buf(), reason };
    let file = File::open(path).map_err(|error| TableError::io(path, error))?;
    let mut archive = zip::ZipArchive::new(file).map_err(|error| refused(format!("not a readable .npz: {error}")))?;
    let mut content = Content::default();
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(|error| refused(format!("entry {index}: {error}")))?;
        let full = entry.name().map_err(|error| refused(format!("entry {index}: {error}")))?.into_owned();
        let Some(name) = full.strip_suffix(".npy") else { continue };
        let mut bytes = Vec::new();
        let size = entry.size();
        // A size that the entry does not keep to is a broken archive, not a reason to read on.
        let read = entry.take(size.saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(|error| refused(format!("`{name}`: {error}")))?;
        content.arrays.push(array(name, &bytes).map_err(|reason| refused(format!("`{name}`: {reason}")))?);
    }
    Ok(content)
}

/// The features of a `.npy`, and the lists that lie beside it: `label.npy`, `domain.npy`, `group.npy`, `split.npy`, `classes.npy`
/// (or the plural names).
pub(super) fn read_beside(path: &Path) -> Result<Content, TableError> {
    let mut content = Content::default();
    content.arrays.push(Array { name: "features".to_owned(), ..read_one(path)? });
    for name in ROLES.iter().filter(|name| **name != "id") {
        let beside = path.with_file_name(format!("{name}.npy"));
        if beside != path && beside.is_file() {
            content.arrays.push(Array { name: (*name).to_owned(), ..read_one(&beside)? });
        }
    }
    Ok(content)
}

fn read_one(path: &Path) -> Result<Array, TableError> {
    let bytes = std::fs::read(path).map_err(|error| TableError::io(path, error))?;
    array("", &bytes).map_err(|reason| TableError::NotFeatures { path: path.to_path_buf(), reason })
}

/// One array; `Err` says what is wrong with it.
fn array(name: &str, bytes: &[u8]) -> Result<Array, String> {
    // Read before the parser does: it would believe any length and any depth of brackets.
    let header = match bytes.get(6) {
        Some(1) => bytes.get(8..10).map(|b| usize::from(u16::from_le_bytes([b[0], b[1]]))),
        _ => bytes.get(8..12).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize),
    };
    if header.is_none_or(|length| length > LONGEST_HEADER) {
        return Err("not an array of plain numbers or texts".to_owned());
    }
    let file = NpyFile::new(bytes).map_err(|error| error.to_string())?;
    let kind = file.dtype().descr();
    let DType::Plain(plain) = file.dtype() else {
        return Err(format!("an array of type {kind}, expected numbers or texts"));
    };
    let shape: Vec<usize> = file
        .shape()
        .iter()
        .map(|size| usize::try_from(*size).map_err(|_| format!("a size of {size}")))
        .collect::<Result<_, _>>()?;
    let promised = shape.iter().try_fold(plain.num_bytes().unwrap_or(0), |bytes, size| bytes.checked_mul(*size));
    if plain.num_bytes().unwrap_or(0) == 0 || promised.is_none_or(|promised| promised > bytes.len()) {
        return Err(format!("shape {shape:?} of {kind} needs more than its {} bytes", bytes.len()));
    }
    let fortran = file.order() == Order::Fortran && shape.len() > 1;
    if fortran && shape.len() > 2 {
        return Err(format!("shape {shape:?}; features are [rows, columns]"));
    }
    let wide = shape.len() != 1;
    let values =
        values(file, plain.type_char(), plain.size_field(), wide).map_err(|reason| format!("{kind}: {reason}"))?;
    let values = match values {
        Values::Floats(values) if fortran => Values::Floats(transposed(&values, shape[0], shape[1])),
        other => other,
    };
    Ok(Array::new(name, shape, values))
}

fn values(file: NpyFile<&[u8]>, kind: TypeChar, size: u64, wide: bool) -> Result<Values, String> {
    /// Reads numbers of one type as what the array's shape makes of them.
    macro_rules! numbers {
        ($type:ty, whole) => {{
            let read = file.into_vec::<$type>().map_err(|error| error.to_string())?;
            if wide {
                Values::Floats(read.into_iter().map(|value| value as f32).collect())
            } else {
                let whole =
                    read.into_iter().map(|value| i64::try_from(value).map_err(|_| format!("{value} is too large")));
                Values::Integers(whole.collect::<Result<_, _>>()?)
            }
        }};
        ($type:ty, $convert:expr) => {{
            let read = file.into_vec::<$type>().map_err(|error| error.to_string())?;
            Values::Floats(read.into_iter().map($convert).collect())
        }};
    }
    Ok(match (kind, size) {
        (TypeChar::Float, 2) => numbers!(half::f16, half::f16::to_f32),
        (TypeChar::Float, 4) => numbers!(f32, |value| value),
        (TypeChar::Float, 8) => numbers!(f64, |value| value as f32),
        (TypeChar::Int, 1) => numbers!(i8, whole),
        (TypeChar::Int, 2) => numbers!(i16, whole),
        (TypeChar::Int, 4) => numbers!(i32, whole),
        (TypeChar::Int, 8) => numbers!(i64, whole),
        (TypeChar::Uint, 1) => numbers!(u8, whole),
        (TypeChar::Uint, 2) => numbers!(u16, whole),
        (TypeChar::Uint, 4) => numbers!(u32, whole),
        (TypeChar::Uint, 8) => numbers!(u64, whole),
        (TypeChar::Bool, _) => {
            let read = file.into_vec::<bool>().map_err(|error| error.to_string())?;
            match wide {
                true => Values::Floats(read.into_iter().map(|value| f32::from(u8::from(value))).collect()),
                false => Values::Integers(read.into_iter().map(i64::from).collect()),
            }
        }
        (TypeChar::UnicodeStr | TypeChar::ByteStr, _) => {
            Values::Texts(file.into_vec::<String>().map_err(|error| error.to_string())?)
        }
        _ => return Err("expected numbers or texts".to_owned()),
    })
}

/// Row-major values of a matrix that is stored column by column.
fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..rows * columns).map(|at| values[(at % columns) * rows + at / columns]).collect()
}
