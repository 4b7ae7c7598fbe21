//! Vision transformer with a class token, patches of 16 pixels (Dosovitskiy et al. 2021, arXiv 2010.11929; DeiT: Touvron et al.
//! 2021, arXiv 2012.12877), in timm's names. Pre-norm blocks, exact GELU, layer-norm epsilon 1e-6.

use heirloom_engine::Activation::Gelu;
use heirloom_engine::Op;

use crate::builder::{Builder, Window, Wire};
use crate::keys::Role;

/// Pixels on a side of a patch.
const PATCH: usize = 16;
/// Encoder blocks.
const BLOCKS: usize = 12;
const EPSILON: f64 = 1e-6;

/// Channels of a token, and attention heads.
pub(crate) struct Width {
    channels: usize,
    heads: usize,
}

pub(crate) const TINY: Width = Width { channels: 192, heads: 3 };
pub(crate) const SMALL: Width = Width { channels: 384, heads: 6 };
pub(crate) const BASE: Width = Width { channels: 768, heads: 12 };

pub(crate) fn build(b: &mut Builder, input: Wire, width: &Width) -> Result<(), String> {
    let mut x = embedding(b, input, width)?;
    for block in 0..BLOCKS {
        x = encoder_block(b, &format!("blocks.{block}"), x, width);
    }
    let x = b.layer_norm("norm", x, EPSILON);
    b.tap("norm");
    let class = b.node("norm.class_token", Op::SelectToken { index: 0 }, &[x], x.channels);
    b.module("class_token", class);
    b.tap("class_token");
    b.pre_logits(class);
    if b.variant.classes > 0 {
        let logits = b.linear("head", class, b.variant.classes);
        b.logits("head", Role::Weight, logits);
    }
    Ok(())
}

/// Patches as tokens behind the class token; the token sequence is named both before and after the position embeddings.
fn embedding(b: &mut Builder, input: Wire, width: &Width) -> Result<Wire, String> {
    let [height, breadth] = b.variant.input_size;
    if height % PATCH != 0 || breadth % PATCH != 0 || height == 0 || breadth == 0 {
        return Err(format!("an input of {height}x{breadth} pixels does not divide into patches of {PATCH}"));
    }
    let channels = width.channels;
    let tokens = (height / PATCH) * (breadth / PATCH) + 1;
    let map = b.convolution("patch_embed.proj", input, channels, Window::valid(PATCH, PATCH), 1, true);
    b.module("patch_embed", map);
    let class_token = Some(b.plain_parameter("cls_token", &[1, 1, channels]));
    let position = Some(b.plain_parameter("pos_embed", &[1, tokens, channels]));
    let bare = Op::Tokens { class_token: class_token.clone(), position: None };
    b.node("patch_embed.tokens", bare, &[map], channels);
    b.tap("patch_embed.tokens");
    let x = b.node("pos_embed", Op::Tokens { class_token, position }, &[map], channels);
    b.tap("pos_embed");
    Ok(x)
}

/// `y = x + attention(norm1(x))`, then `y + mlp(norm2(y))`.
fn encoder_block(b: &mut Builder, module: &str, from: Wire, width: &Width) -> Wire {
    let name = |role: &str| format!("{module}.{role}");
    let x = b.layer_norm(&name("norm1"), from, EPSILON);
    b.tap(&name("norm1"));
    let x = attention(b, &name("attn"), x, width.heads);
    let y = b.add(&name("add1"), from, x);
    let x = b.layer_norm(&name("norm2"), y, EPSILON);
    let x = mlp(b, &name("mlp"), x);
    let x = b.add(&name("add2"), y, x);
    b.module(module, x);
    x
}

fn attention(b: &mut Builder, module: &str, from: Wire, heads: usize) -> Wire {
    let qkv = b.linear(&format!("{module}.qkv"), from, 3 * from.channels);
    let mixed = b.node(&format!("{module}.attention"), Op::Attention { heads }, &[qkv], from.channels);
    let x = b.linear(&format!("{module}.proj"), mixed, from.channels);
    b.module(module, x);
    b.tap(module);
    x
}

fn mlp(b: &mut Builder, module: &str, from: Wire) -> Wire {
    let x = b.linear(&format!("{module}.fc1"), from, 4 * from.channels);
    let act = format!("{module}.act");
    let x = b.activate(&act, x, Gelu);
    b.tap(&act);
    let x = b.linear(&format!("{module}.fc2"), x, from.channels);
    b.module(module, x);
    b.tap(module);
    x
}
