//! Writes weight files for the tests: safetensors, and PyTorch checkpoints the way `torch.save` lays them out.

use std::io::Write;
use std::path::Path;

use heirloom_engine::Weights;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// A safetensors file of single-precision tensors.
pub fn safetensors(path: &Path, weights: &Weights) {
    let bytes: Vec<(&String, &Vec<usize>, Vec<u8>)> = weights
        .tensors
        .iter()
        .map(|(key, tensor)| (key, &tensor.shape, tensor.values.iter().flat_map(|value| value.to_le_bytes()).collect()))
        .collect();
    let views = bytes
        .iter()
        .map(|(key, shape, bytes)| (key.as_str(), TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap()));
    std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// A zip archive of files as they are.
pub fn archive(path: &Path, method: CompressionMethod, files: &[(&str, &[u8])]) {
    let mut zip = ZipWriter::new(std::fs::File::create(path).unwrap());
    for (name, bytes) in files {
        zip.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
}

/// A PyTorch checkpoint of single-precision tensors, one storage each.
pub fn torch(path: &Path, weights: &Weights) {
    let mut pickle = b"\x80\x02}(".to_vec();
    let mut storages = Vec::new();
    for (index, (key, tensor)) in weights.tensors.iter().enumerate() {
        text(&mut pickle, key);
        pickled_tensor(&mut pickle, &index.to_string(), &tensor.shape);
        let bytes: Vec<u8> = tensor.values.iter().flat_map(|value| value.to_le_bytes()).collect();
        storages.push((format!("archive/data/{index}"), bytes));
    }
    pickle.extend(b"u.");
    let mut files: Vec<(&str, &[u8])> = vec![("archive/data.pkl", &pickle), ("archive/byteorder", b"little")];
    files.extend(storages.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())));
    archive(path, CompressionMethod::Stored, &files);
}

/// A contiguous float tensor over the whole of a storage.
pub fn pickled_tensor(pickle: &mut Vec<u8>, storage: &str, shape: &[usize]) {
    pickle.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
    text(pickle, "storage");
    pickle.extend(b"ctorch\nFloatStorage\n");
    text(pickle, storage);
    text(pickle, "cpu");
    integers(pickle, &[shape.iter().product()]);
    pickle.extend(b"tQ");
    integers(pickle, &[0]);
    let strides: Vec<usize> = (0..shape.len()).map(|axis| shape[axis + 1..].iter().product()).collect();
    for sizes in [shape, &strides] {
        pickle.push(b'(');
        integers(pickle, sizes);
        pickle.push(b't');
    }
    pickle.extend(b"\x89ccollections\nOrderedDict\n)RtR");
}

pub fn text(pickle: &mut Vec<u8>, text: &str) {
    pickle.push(b'X');
    pickle.extend((text.len() as u32).to_le_bytes());
    pickle.extend(text.as_bytes());
}

fn integers(pickle: &mut Vec<u8>, values: &[usize]) {
    for &value in values {
        pickle.push(b'J');
        pickle.extend((value as u32).to_le_bytes());
    }
}
