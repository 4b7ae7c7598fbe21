//! The subset of Python's pickle that a PyTorch state dict needs: dictionaries of tensors, and the numbers and strings beside
//! them. Owns the rule that nothing is executed: a global is one of [`Global`] or the file is refused by that global's name.
//!
//! Objects live in an arena and refer to each other by index, so neither depth nor cycles cost stack; the number of opcodes is
//! bounded, and everything allocated is proportional to it or to the length of the file.

use std::collections::HashMap;

use super::Number;

/// Most opcodes of one file; a state dict of a thousand tensors has about fifty thousand.
const MOST_OPCODES: usize = 4_000_000;

/// Why a pickle was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// It asks for something that is not on the list.
    Refused(String),
    /// It is damaged.
    Malformed(String),
}

/// A tensor as a view of a storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct View {
    pub number: Number,
    /// Name of the storage's file in the archive.
    pub storage: String,
    /// Values in the storage.
    pub length: usize,
    /// First value.
    pub offset: usize,
    pub shape: Vec<usize>,
    /// Distance of neighbours on every axis, in values.
    pub strides: Vec<usize>,
}

/// The functions and classes that may be named.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(Number),
}

type Id = usize;

#[derive(Debug, Clone)]
enum Object {
    None,
    Bool,
    Integer(i64),
    Float,
    Text(String),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dictionary(Vec<(Id, Id)>),
    Global(Global),
    Storage { number: Number, key: String, length: usize },
    Tensor(Box<View>),
}

/// Keys under which training scripts nest the state dict.
const NESTS: [&str; 3] = ["state_dict", "model", "model_state_dict"];

/// The tensors of a pickled state dict.
pub(super) fn state_dict(bytes: &[u8]) -> Result<Vec<(String, View)>, Failure> {
    let mut machine =
        Machine { bytes, at: 0, objects: Vec::new(), stack: Vec::new(), marks: Vec::new(), memo: HashMap::new() };
    let root = machine.run()?;
    machine.tensors(root)
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    objects: Vec<Object>,
    stack: Vec<Id>,
    /// Heights of the stack at each open mark.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl Machine<'_> {
    fn run(&mut self) -> Result<Id, Failure> {
        for _ in 0..MOST_OPCODES {
            let opcode = self.byte()?;
            if opcode == b'.' {
                return self.pop();
            }
            self.step(opcode)?;
        }
        Err(Failure::Refused(format!("a pickle of more than {MOST_OPCODES} opcodes")))
    }

    fn step(&mut self, opcode: u8) -> Result<(), Failure> {
        match opcode {
            0x80 => self.protocol(),
            0x95 => self.take(8).map(drop),
            b'N' => self.push(Object::None),
            0x88 | 0x89 => self.push(Object::Bool),
            b'K' => self.integer(1),
            b'M' => self.integer(2),
            b'J' => self.signed(4),
            0x8a => {
                let length = usize::from(self.byte()?);
                self.signed(length)
            }
            b'G' => {
                self.take(8)?;
                self.push(Object::Float)
            }
            b'X' => self.text(4),
            0x8c => self.text(1),
            b')' => self.push(Object::Tuple(Vec::new())),
            b']' => self.push(Object::List(Vec::new())),
            b'}' => self.push(Object::Dictionary(Vec::new())),
            b'(' => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            b't' => {
                let items = self.pop_to_mark()?;
                self.push(Object::Tuple(items))
            }
            0x85..=0x87 => self.short_tuple(usize::from(opcode - 0x84)),
            b'a' | b'e' => self.append(opcode == b'e'),
            b's' | b'u' => self.set_items(opcode == b'u'),
            b'q' | b'r' | 0x94 => self.put(opcode),
            b'h' | b'j' => self.get(if opcode == b'h' { 1 } else { 4 }),
            b'c' | 0x93 => self.global(opcode == 0x93),
            b'Q' => self.storage(),
            b'R' => self.reduce(),
            b'b' => self.build(),
            other => Err(Failure::Refused(format!("pickle opcode {}", opcode_name(other)))),
        }
    }

    fn take(&mut self, count: usize) -> Result<&[u8], Failure> {
        let end = self.at.checked_add(count).filter(|&end| end <= self.bytes.len());
        let end =
            end.ok_or_else(|| Failure::Malformed(format!("the pickle ends early, at byte {}", self.bytes.len())))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Failure> {
        Ok(self.take(1)?[0])
    }

    fn unsigned(&mut self, bytes: usize) -> Result<u64, Failure> {
        Ok(self.take(bytes)?.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte)))
    }

    fn push(&mut self, object: Object) -> Result<(), Failure> {
        self.objects.push(object);
        self.stack.push(self.objects.len() - 1);
        Ok(())
    }

    fn pop(&mut self) -> Result<Id, Failure> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err(Failure::Malformed("the pickle takes from an empty stack".into()));
        }
        self.stack.pop().ok_or_else(|| Failure::Malformed("the pickle takes from an empty stack".into()))
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Id>, Failure> {
        let mark =
            self.marks.pop().ok_or_else(|| Failure::Malformed("the pickle closes a mark it never set".into()))?;
        Ok(self.stack.split_off(mark))
    }

    fn top(&self) -> Result<Id, Failure> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.last() {
            Some(&id) if self.stack.len() > floor => Ok(id),
            _ => Err(Failure::Malformed("the pickle reads an empty stack".into())),
        }
    }

    fn protocol(&mut self) -> Result<(), Failure> {
        match self.byte()? {
            2..=5 => Ok(()),
            other => Err(Failure::Refused(format!("pickle protocol {other}"))),
        }
    }

    fn integer(&mut self, bytes: usize) -> Result<(), Failure> {
        let value = self.unsigned(bytes)?;
        self.push(Object::Integer(value as i64))
    }

    fn signed(&mut self, bytes: usize) -> Result<(), Failure> {
        if bytes > 8 {
            return Err(Failure::Refused(format!("an integer of {bytes} bytes")));
        }
        if bytes == 0 {
            return self.push(Object::Integer(0));
        }
        let shift = 64 - 8 * bytes as u32;
        let value = self.unsigned(bytes)?;
        // Shifting the sign bit to the top and back extends it.
        self.push(Object::Integer(((value << shift) as i64) >> shift))
    }

    fn text(&mut self, length_bytes: usize) -> Result<(), Failure> {
        let length = self.unsigned(length_bytes)? as usize;
        let bytes = self.take(length)?.to_vec();
        let text = String::from_utf8(bytes).map_err(|_| Failure::Malformed("a string that is not UTF-8".into()))?;
        self.push(Object::Text(text))
    }

    fn short_tuple(&mut self, count: usize) -> Result<(), Failure> {
        let mut items = (0..count).map(|_| self.pop()).collect::<Result<Vec<_>, _>>()?;
        items.reverse();
        self.push(Object::Tuple(items))
    }

    fn append(&mut self, many: bool) -> Result<(), Failure> {
        let items = if many { self.pop_to_mark()? } else { vec![self.pop()?] };
        let target = self.top()?;
        match &mut self.objects[target] {
            Object::List(list) => list.extend(items),
            other => return Err(Failure::Refused(format!("appending to {}", kind(other)))),
        }
        Ok(())
    }

    fn set_items(&mut self, many: bool) -> Result<(), Failure> {
        let items = if many {
            self.pop_to_mark()?
        } else {
            let value = self.pop()?;
            vec![self.pop()?, value]
        };
        if items.len() % 2 != 0 {
            return Err(Failure::Malformed("a dictionary with a key and no value".into()));
        }
        let target = self.top()?;
        match &mut self.objects[target] {
            Object::Dictionary(pairs) => pairs.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1]))),
            other => return Err(Failure::Refused(format!("setting items of {}", kind(other)))),
        }
        Ok(())
    }

    fn put(&mut self, opcode: u8) -> Result<(), Failure> {
        let index = match opcode {
            b'q' => self.unsigned(1)? as u32,
            b'r' => self.unsigned(4)? as u32,
            _ => self.memo.len() as u32,
        };
        let id = self.top()?;
        self.memo.insert(index, id);
        Ok(())
    }

    fn get(&mut self, bytes: usize) -> Result<(), Failure> {
        let index = self.unsigned(bytes)? as u32;
        let id = self.memo.get(&index).copied();
        self.stack.push(id.ok_or_else(|| Failure::Malformed(format!("memo {index} is read before it is written")))?);
        Ok(())
    }

    fn global(&mut self, from_stack: bool) -> Result<(), Failure> {
        let (module, name) = if from_stack {
            let name = self.pop()?;
            let module = self.pop()?;
            (self.expect_text(module)?, self.expect_text(name)?)
        } else {
            (self.line()?, self.line()?)
        };
        let global =
            allowed(&module, &name).ok_or_else(|| Failure::Refused(format!("the pickle names '{module}.{name}'")))?;
        self.push(Object::Global(global))
    }

    fn line(&mut self) -> Result<String, Failure> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|&byte| byte == b'\n');
        let length = length.ok_or_else(|| Failure::Malformed("the pickle ends early, in a name".into()))?;
        let text = String::from_utf8_lossy(&rest[..length]).into_owned();
        self.at += length + 1;
        Ok(text)
    }

    /// A persistent id: `('storage', class, key, location, number of values)`.
    fn storage(&mut self) -> Result<(), Failure> {
        let id = self.pop()?;
        let parts = self.expect_tuple(id)?;
        let &[tag, class, key, _location, length] = parts.as_slice() else {
            return Err(Failure::Refused("a persistent id that is not a storage".into()));
        };
        if self.expect_text(tag)? != "storage" {
            return Err(Failure::Refused("a persistent id that is not a storage".into()));
        }
        let Object::Global(Global::Storage(number)) = &self.objects[class] else {
            return Err(Failure::Refused("a storage of an unknown class".into()));
        };
        let storage =
            Object::Storage { number: number.clone(), key: self.expect_text(key)?, length: self.expect_size(length)? };
        self.push(storage)
    }

    fn reduce(&mut self) -> Result<(), Failure> {
        let arguments = self.pop()?;
        let arguments = self.expect_tuple(arguments)?;
        let callee = self.pop()?;
        let Object::Global(global) = &self.objects[callee] else {
            return Err(Failure::Refused(format!("calling {}", kind(&self.objects[callee]))));
        };
        let result = match (global, arguments.as_slice()) {
            (Global::OrderedDict, []) => Object::Dictionary(Vec::new()),
            (
                Global::RebuildTensor,
                &[storage, offset, shape, strides, _, _] | &[storage, offset, shape, strides, _, _, _],
            ) => self.tensor(storage, offset, shape, strides)?,
            (Global::RebuildParameter, &[data, _, _]) if matches!(self.objects[data], Object::Tensor(_)) => {
                self.objects[data].clone()
            }
            (global, arguments) => {
                return Err(Failure::Refused(format!("calling {global:?} with {} arguments", arguments.len())));
            }
        };
        self.push(result)
    }

    fn tensor(&self, storage: Id, offset: Id, shape: Id, strides: Id) -> Result<Object, Failure> {
        let Object::Storage { number, key, length } = &self.objects[storage] else {
            return Err(Failure::Refused(format!("a tensor over {}", kind(&self.objects[storage]))));
        };
        let sizes =
            |id| self.expect_tuple(id)?.iter().map(|&item| self.expect_size(item)).collect::<Result<Vec<_>, _>>();
        let view = View {
            number: number.clone(),
            storage: key.clone(),
            length: *length,
            offset: self.expect_size(offset)?,
            shape: sizes(shape)?,
            strides: sizes(strides)?,
        };
        view.check()?;
        Ok(Object::Tensor(Box::new(view)))
    }

    /// State set on a dictionary (PyTorch's `_metadata`) is dropped; any other target is refused.
    fn build(&mut self) -> Result<(), Failure> {
        let state = self.pop()?;
        let target = self.top()?;
        match (&self.objects[target], &self.objects[state]) {
            (Object::Dictionary(_), Object::Dictionary(_)) => Ok(()),
            (target, _) => Err(Failure::Refused(format!("setting the state of {}", kind(target)))),
        }
    }

    fn expect_text(&self, id: Id) -> Result<String, Failure> {
        match &self.objects[id] {
            Object::Text(text) => Ok(text.clone()),
            other => Err(Failure::Malformed(format!("{} where a string belongs", kind(other)))),
        }
    }

    fn expect_tuple(&self, id: Id) -> Result<Vec<Id>, Failure> {
        match &self.objects[id] {
            Object::Tuple(items) => Ok(items.clone()),
            other => Err(Failure::Malformed(format!("{} where a tuple belongs", kind(other)))),
        }
    }

    fn expect_size(&self, id: Id) -> Result<usize, Failure> {
        match &self.objects[id] {
            Object::Integer(value) => {
                usize::try_from(*value).map_err(|_| Failure::Malformed(format!("{value} where a size belongs")))
            }
            other => Err(Failure::Malformed(format!("{} where a size belongs", kind(other)))),
        }
    }

    /// The tensors of the root dictionary, or of the one it nests under a customary key.
    fn tensors(&self, root: Id) -> Result<Vec<(String, View)>, Failure> {
        let Object::Dictionary(pairs) = &self.objects[root] else {
            return Err(Failure::Refused(format!("a checkpoint that is {}", kind(&self.objects[root]))));
        };
        let found = self.tensors_of(pairs);
        if !found.is_empty() {
            return Ok(found);
        }
        let nested = NESTS.iter().find_map(|nest| {
            pairs.iter().find_map(|&(key, value)| match (&self.objects[key], &self.objects[value]) {
                (Object::Text(key), Object::Dictionary(pairs)) if key == nest => Some(pairs),
                _ => None,
            })
        });
        match nested.map(|pairs| self.tensors_of(pairs)) {
            Some(found) if !found.is_empty() => Ok(found),
            _ => {
                Err(Failure::Refused(format!("a checkpoint without tensors at its root or under {}", NESTS.join(", "))))
            }
        }
    }

    fn tensors_of(&self, pairs: &[(Id, Id)]) -> Vec<(String, View)> {
        let entries = pairs.iter().filter_map(|&(key, value)| match (&self.objects[key], &self.objects[value]) {
            (Object::Text(key), Object::Tensor(view)) => Some((key.clone(), View::clone(view))),
            _ => None,
        });
        entries.collect()
    }
}

impl View {
    /// Values in the tensor. Checked against the storage by [`View::check`].
    pub fn count(&self) -> usize {
        self.shape.iter().product()
    }

    /// Every value lies in the storage, and there are no more of them than the storage holds.
    fn check(&self) -> Result<(), Failure> {
        let outside = || {
            Failure::Malformed(format!(
                "a tensor of shape {:?}, strides {:?}, offset {} over a storage of {} values",
                self.shape, self.strides, self.offset, self.length
            ))
        };
        if self.shape.len() != self.strides.len() || self.shape.len() > 8 {
            return Err(outside());
        }
        let count = self.shape.iter().try_fold(1_usize, |count, &side| count.checked_mul(side)).ok_or_else(outside)?;
        if count == 0 {
            return Ok(());
        }
        let last = self
            .shape
            .iter()
            .zip(&self.strides)
            .try_fold(self.offset, |last, (&side, &stride)| last.checked_add((side - 1).checked_mul(stride)?));
        match last {
            Some(last) if last < self.length && count <= self.length => Ok(()),
            _ => Err(outside()),
        }
    }
}

fn allowed(module: &str, name: &str) -> Option<Global> {
    let other = |name: &str| Global::Storage(Number::Other(name.to_owned()));
    match (module, name) {
        ("collections", "OrderedDict") => Some(Global::OrderedDict),
        ("torch._utils", "_rebuild_tensor_v2") => Some(Global::RebuildTensor),
        ("torch._utils", "_rebuild_parameter") => Some(Global::RebuildParameter),
        ("torch", "FloatStorage") => Some(Global::Storage(Number::F32)),
        ("torch", "HalfStorage") => Some(Global::Storage(Number::F16)),
        ("torch", "BFloat16Storage") => Some(Global::Storage(Number::Bf16)),
        ("torch", "DoubleStorage") => Some(other("f64")),
        ("torch", "LongStorage") => Some(other("i64")),
        ("torch", "IntStorage") => Some(other("i32")),
        ("torch", "ShortStorage") => Some(other("i16")),
        ("torch", "CharStorage") => Some(other("i8")),
        ("torch", "ByteStorage") => Some(other("u8")),
        ("torch", "BoolStorage") => Some(other("bool")),
        _ => None,
    }
}

fn kind(object: &Object) -> &'static str {
    match object {
        Object::None => "None",
        Object::Bool => "a truth value",
        Object::Integer(_) => "an integer",
        Object::Float => "a float",
        Object::Text(_) => "a string",
        Object::Tuple(_) => "a tuple",
        Object::List(_) => "a list",
        Object::Dictionary(_) => "a dictionary",
        Object::Global(_) => "a class",
        Object::Storage { .. } => "a storage",
        Object::Tensor(_) => "a tensor",
    }
}

fn opcode_name(opcode: u8) -> String {
    let name = match opcode {
        b'i' => "INST",
        b'o' => "OBJ",
        0x81 => "NEWOBJ",
        0x92 => "NEWOBJ_EX",
        0x82..=0x84 => "EXT",
        b'P' => "PERSID",
        b'S' | b'T' | b'U' => "STRING",
        b'B' | b'C' | 0x8e => "BYTES",
        b'2' => "DUP",
        b'0' | b'1' => "POP",
        0x96..=0x98 => "BUFFER",
        0x8f..=0x91 => "SET",
        _ => return format!("0x{opcode:02x}"),
    };
    format!("{name} (0x{opcode:02x})")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A storage of 12 floats as a persistent id, and a view of it.
    fn tensor(offset: u8, shape: [u8; 2], strides: [u8; 2]) -> Vec<u8> {
        let mut pickle = b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x0ctQ".to_vec();
        pickle.extend([b'K', offset, b'K', shape[0], b'K', shape[1], 0x86]);
        pickle.extend([b'K', strides[0], b'K', strides[1], 0x86, 0x89]);
        pickle.extend(b"ccollections\nOrderedDict\n)RtR");
        pickle
    }

    fn dictionary(value: &[u8]) -> Vec<u8> {
        [b"\x80\x02}X\x01\0\0\0w".as_slice(), value, b"s."].concat()
    }

    #[test]
    fn a_dictionary_of_views_is_read() {
        let found = state_dict(&dictionary(&tensor(2, [2, 3], [1, 2]))).unwrap();
        assert_eq!(found.len(), 1);
        let (key, view) = &found[0];
        assert_eq!((key.as_str(), view.offset, view.length), ("w", 2, 12));
        assert_eq!((view.shape.as_slice(), view.strides.as_slice()), (&[2, 3][..], &[1, 2][..]));
    }

    #[test]
    fn views_outside_their_storage_are_malformed() {
        let cases = [(7, [2, 3], [3, 1]), (0, [2, 3], [10, 1]), (12, [1, 1], [1, 1]), (0, [5, 3], [0, 1])];
        for (offset, shape, strides) in cases {
            let result = state_dict(&dictionary(&tensor(offset, shape, strides)));
            assert!(matches!(result, Err(Failure::Malformed(_))), "{offset} {shape:?} {strides:?}: {result:?}");
        }
    }

    #[test]
    fn anything_callable_is_refused_by_name() {
        let cases: [(&[u8], &str); 8] = [
            (b"\x80\x02cos\nsystem\nX\x02\0\0\0ls\x85R.", "os.system"),
            (b"\x80\x02cposix\nsystem\nX\x02\0\0\0ls\x85R.", "posix.system"),
            (b"\x80\x02cbuiltins\neval\nX\x01\0\0\x001\x85R.", "builtins.eval"),
            (b"\x80\x04\x8c\x08builtins\x8c\x04exec\x93.", "builtins.exec"),
            (b"\x80\x02ctorch\nload\n.", "torch.load"),
            (b"\x80\x02cargparse\nNamespace\n)\x81.", "argparse.Namespace"),
            (b"\x80\x02(S'ls'\nios\nsystem\n.", "STRING"),
            (b"\x80\x02(ios\nsystem\n.", "INST"),
        ];
        for (pickle, name) in cases {
            match state_dict(pickle) {
                Err(Failure::Refused(what)) => assert!(what.contains(name), "{what}"),
                other => panic!("{name}: {other:?}"),
            }
        }
    }

    #[test]
    fn an_allowed_class_is_not_called_with_other_arguments() {
        let cases: [&[u8]; 3] = [
            b"\x80\x02ccollections\nOrderedDict\n](K\x01K\x02e\x85R.",
            b"\x80\x02ctorch\nFloatStorage\n)R.",
            b"\x80\x02ctorch._utils\n_rebuild_parameter\nK\x01K\x02K\x03\x87R.",
        ];
        for pickle in cases {
            assert!(matches!(state_dict(pickle), Err(Failure::Refused(_))), "{pickle:?}");
        }
    }

    #[test]
    fn a_far_memo_index_costs_nothing() {
        let mut pickle = b"\x80\x02}r\xff\xff\xff\xff".to_vec();
        pickle.extend([b"X\x01\0\0\0w".as_slice(), &tensor(0, [2, 2], [2, 1]), b"s."].concat());
        assert_eq!(state_dict(&pickle).unwrap().len(), 1);
        assert!(matches!(state_dict(b"\x80\x02j\x01\0\0\x7f."), Err(Failure::Malformed(_))));
    }

    #[test]
    fn deep_nesting_ends_in_an_error_not_in_a_stack_overflow() {
        let mut deep = b"\x80\x02)".to_vec();
        deep.extend(std::iter::repeat_n(0x85, 1_000_000));
        deep.push(b'.');
        assert!(matches!(state_dict(&deep), Err(Failure::Refused(_))));
        let mut long = b"\x80\x02".to_vec();
        long.extend(std::iter::repeat_n(b'N', MOST_OPCODES));
        assert!(matches!(state_dict(&long), Err(Failure::Refused(_))));
    }

    #[test]
    fn a_dictionary_inside_itself_is_harmless() {
        assert!(matches!(state_dict(b"\x80\x02}q\0X\x05\0\0\0modelh\0s."), Err(Failure::Refused(_))));
    }

    #[test]
    fn every_truncation_is_an_error() {
        let whole = dictionary(&tensor(0, [2, 2], [2, 1]));
        for length in 0..whole.len() {
            assert!(state_dict(&whole[..length]).is_err(), "{length} bytes");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = state_dict(&bytes);
        }

        #[test]
        fn no_damage_panics(position in 0_usize..150, value in proptest::num::u8::ANY) {
            let mut bytes = dictionary(&tensor(0, [2, 2], [2, 1]));
            let position = position % bytes.len();
            bytes[position] = value;
            let _ = state_dict(&bytes);
        }
    }
}
