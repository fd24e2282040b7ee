"""Trains the demo model. Seeded, and resumable at any checkpoint: batch n depends on n alone.

    python tools/demo/train.py --work DIR

DIR gets tokenizer.model, checkpoint.pt and train.log. Beside the answers, a linear head on the
tower learns what stands at each patch (shape or digit, colour, place, how many are alike): without
that signal a model this small takes hours to learn to see. The head is not exported. Where an
answer is about one thing, two of the decoder's heads learn besides to look at just that thing.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, distributed, nn

import tokenizer
from batches import AUX_CLASSES, IGNORE, Batch, make_batch, make_pictures, row_mask
from model import Attention, Config, YiVL, causal, rotate
from pixels import MEAN, STD
from prompt import OPENING
from questions import KINDS
from scenes import SHAPES
from tokenizer import Tokenizer

WARM_UP = 200
LOOK = 2  # times as many pictures in a batch while the tower learns alone: that is cheap
POINTING_LAYER = 4  # of the decoder: the question has been read, and the answer is still to be said
POINTING_HEADS = 2


def learning_rate(step: int, options: argparse.Namespace) -> float:
    """Constant, and a straight line to a fiftieth over the last `decay` steps; a linear warm-up at
    the start, and again when the decoder joins.

    The constant part knows nothing of the end, so a run can be made longer without starting over.
    """
    warm = (step if step < options.look else step - options.look) + 1
    left = (options.steps - step) / options.decay
    return options.rate * min(1.0, warm / WARM_UP, 0.02 + 0.98 * left)


def normalised(pixels: Tensor) -> Tensor:
    """uint8 [rows, image, image, 3] to [rows, 3, image, image]."""
    return ((pixels / 255 - torch.tensor(MEAN)) / torch.tensor(STD)).permute(0, 3, 1, 2)


def forward(model: YiVL, opening: Tensor, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Logits where an answer's token comes next, the tower's features, and the pointing loss."""
    picture, features = model.picture_rows(normalised(batch.pixels))
    embed = model.model.embed_tokens
    patches = picture.shape[1]
    rows = torch.cat(
        [
            embed(batch.tokens[:, :1]),
            picture.float(),
            embed(batch.tokens[:, 1 + patches :]),
        ],
        dim=1,
    )
    places = torch.arange(len(opening))[None]
    _, past = model.decode(embed(opening)[None], places, causal(len(opening)))
    mask = row_mask(batch.segment, len(opening))
    attention = model.model.layers[POINTING_LAYER].self_attn
    given: list[tuple] = []
    hook = attention.register_forward_pre_hook(lambda _, arguments: given.append(arguments))
    hidden, present = model.decode(rows, batch.positions, mask, past)
    hook.remove()
    pointing = pointing_loss(attention, *given[0][:2], mask, present[POINTING_LAYER][0], batch.look)
    return model.lm_head(hidden[batch.target != IGNORE]).float(), features, pointing


def pointing_loss(
    attention: Attention, h: Tensor, turn: tuple, mask: Tensor, keys: Tensor, look: Tensor
) -> Tensor:
    """Minus the logarithm of the attention's share that falls on the patches of `look` [rows, T,
    patches], in the mean of the first heads and of the rows of h [rows, T, width] that have any."""
    asked = look.any(-1)
    if not asked.any():
        return torch.zeros(())
    q = rotate(attention.q_proj(h).unflatten(-1, (-1, attention.head_size)).transpose(1, 2), *turn)
    scores = q[:, :POINTING_HEADS] @ keys[:, :1].transpose(-1, -2) / attention.head_size**0.5 + mask
    share = scores.log_softmax(-1)  # [rows, heads, T, opening + T]
    start = keys.shape[2] - h.shape[1] + 1  # behind the opening and a space
    share = share[..., start : start + look.shape[-1]].masked_fill(~look[:, None], -torch.inf)
    return -share.logsumexp(-1).transpose(1, 2)[asked].mean()


def patch_loss(head: nn.Linear, features: Tensor, aux: Tensor) -> Tensor:
    """How well the tower's features tell what stands at each patch."""
    loss = torch.zeros(())
    for i, said in enumerate(head(features).flatten(0, 1).split(AUX_CLASSES, dim=-1)):
        weight = torch.ones(AUX_CLASSES[i])
        weight[: 2 if i == 0 else 1] = 0.1  # most patches are background or margin: easy ones
        loss = loss + F.cross_entropy(said, aux[..., i].flatten(), weight)
    return loss


def loss_of(model: YiVL, head: nn.Linear, opening: Tensor, batch: Batch) -> tuple[Tensor, ...]:
    """Cross entropy of the answers and of the patches' classes, and the pointing loss."""
    logits, features, pointing = forward(model, opening, batch)
    language = F.cross_entropy(logits, batch.target[batch.target != IGNORE])
    return language, patch_loss(head, features, batch.aux), pointing


@torch.no_grad()
def whiten(model: YiVL, pixels: Tensor) -> None:
    """Starts the patch embedding as filters under which patches of pictures have unit variance.

    Nearly all variance of a patch is its colour; without this, edges and with them the shapes
    reach the tower as a faint signal, and it takes many times as long to find them.
    """
    c, kernel = model.config.vision, model.model.vision_tower.kernel
    patches = F.unfold(normalised(pixels), c.patch, stride=c.patch).transpose(1, 2).flatten(0, 1)
    spread, filters = torch.linalg.eigh(patches.T.double().cov())
    strongest = slice(-len(kernel), None)
    scaled = filters[:, strongest] / (spread[strongest] + 0.01 * spread.mean()).sqrt()
    kernel.copy_(scaled.T.view_as(kernel))


def groups(model: YiVL, head: nn.Linear) -> list[dict]:
    """Weight decay for matrices only."""
    named = [*model.named_parameters(), *head.named_parameters(prefix="aux")]
    matrix = [p for n, p in named if p.dim() > 1 and "embed" not in n]
    other = [p for n, p in named if p.dim() <= 1 or "embed" in n]
    return [{"params": matrix, "weight_decay": 0.05}, {"params": other, "weight_decay": 0.0}]


def save(file: Path, **state: object) -> None:
    """Under another name first: an interrupted write leaves the last checkpoint whole."""
    torch.save(state, file.with_suffix(".tmp"))
    file.with_suffix(".tmp").rename(file)


@torch.no_grad()
def accuracy(model: YiVL, opening: Tensor, batches: list[Batch]) -> dict[str, tuple[int, int]]:
    """Right answers and questions by kind. An answer is right when each of its tokens is the most
    likely one after those before it, which is when greedy decoding would give just this answer."""
    table: dict[str, tuple[int, int]] = {}
    for batch in batches:
        answers = batch.target != IGNORE
        wrong = forward(model, opening, batch)[0].argmax(-1) != batch.target[answers]
        failed = set(batch.question[answers][wrong].tolist())
        for i, question in enumerate(batch.asked):
            right, of = table.get(question.kind, (0, 0))
            table[question.kind] = right + (i not in failed), of + 1
    return table


@torch.no_grad()
def sight(model: YiVL, head: nn.Linear, batches: list[Batch]) -> str:
    """Share of patches of which the head tells each class, among those with a thing on them."""
    names = ("shape", "digit", "colour", "place", "alike", "coloured", "formed")
    right, of = torch.zeros(len(names)), torch.zeros(len(names))
    for batch in batches:
        features = model.model.vision_tower(normalised(batch.pixels))
        said = head(features).split(AUX_CLASSES, dim=-1)
        same = torch.stack([c.argmax(-1) for c in said], -1) == batch.aux
        digit = batch.aux[..., 0] >= 2 + len(SHAPES)
        shape = (batch.aux[..., 0] >= 2) & ~digit
        asked = [(0, shape), (0, digit), (1, shape | digit), (3, shape | digit)]
        for i, (which, mask) in enumerate(asked + [(n, shape) for n in (4, 5, 6)]):
            right[i] += same[..., which][mask].sum()
            of[i] += mask.sum()
    return ", ".join(f"{name} {100 * share:.1f}" for name, share in zip(names, right / of))


def report(model: YiVL, opening: Tensor, batches: list[Batch]) -> str:
    table = sorted(accuracy(model, opening, batches).items())
    return ", ".join(f"{kind} {100 * right / of:.1f}" for kind, (right, of) in table)


def average_gradients(parameters: list[nn.Parameter], processes: int) -> None:
    if processes > 1:  # what is never run (the tower's last layer) has none
        gradients = [p.grad for p in parameters if p.grad is not None]
        whole = torch.cat([g.flatten() for g in gradients])
        distributed.all_reduce(whole)
        parts = (whole / processes).split([g.numel() for g in gradients])
        for gradient, mean in zip(gradients, parts):
            gradient.copy_(mean.view_as(gradient))


def train(rank: int, options: argparse.Namespace) -> None:
    """One of the processes: its own share of each batch, the same weights as all others."""
    work: Path = options.work
    processes: int = options.processes
    torch.set_num_threads(1)
    if processes > 1:
        rendezvous = f"file://{(work / 'rendezvous').resolve()}"
        distributed.init_process_group("gloo", rendezvous, rank=rank, world_size=processes)
    torch.manual_seed(options.seed)
    config = Config()
    grid, image = config.vision.grid, config.vision.image
    model = YiVL(config)
    head = nn.Linear(config.vision.width, sum(AUX_CLASSES))
    parameters = [*model.parameters(), *head.parameters()]
    whiten(model, make_pictures(f"whiten {options.seed}", 256, image, grid)[0])
    optimizer = torch.optim.AdamW(groups(model, head), lr=options.rate, betas=(0.9, 0.98), fused=True)
    first, file = 0, work / "checkpoint.pt"
    if file.exists():
        state = torch.load(file)
        model.load_state_dict(state["model"])
        head.load_state_dict(state["head"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["step"]
    words = Tokenizer(work / "tokenizer.model")
    opening = torch.tensor(words.encode(OPENING))
    unseen = [make_batch(f"dev {i}", 24, words, image, grid) for i in range(6)]
    log = open(work / "train.log" if rank == 0 else os.devnull, "a", buffering=1)
    size = sum(p.numel() for p in model.parameters())
    print(f"{size} parameters, from step {first} of {options.steps}", file=log)
    started, means = time.time(), torch.zeros(3)
    for step in range(first, options.steps):
        share = options.rows // processes
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, options)
        optimizer.zero_grad()
        if step < options.look:
            seed = f"look {options.seed} {step} {rank}"
            pixels, aux = make_pictures(seed, LOOK * share, image, grid)
            looked = patch_loss(head, model.model.vision_tower(normalised(pixels)), aux)
            losses = torch.zeros(()), looked, torch.zeros(())
        else:
            seed = f"train {options.seed} {step} {rank}"
            batch = make_batch(seed, share, words, image, grid, options.more, options.alike)
            losses = loss_of(model, head, opening, batch)
        (losses[0] + losses[1] + options.pointing * losses[2]).backward()
        average_gradients(parameters, processes)
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        done = step + 1
        means += torch.stack(losses).detach() / 50
        if done % 50 == 0:
            answers, patches, pointing = means.tolist()
            said = f"answers {answers:.4f} patches {patches:.4f} pointing {pointing:.4f}"
            print(f"step {done} {said} seconds/step {(time.time() - started) / 50:.2f}", file=log)
            started, means = time.time(), torch.zeros(3)
        if rank == 0 and (done % options.every == 0 or done == options.steps):
            state = dict(model=model.state_dict(), head=head.state_dict(), step=done)
            save(file, optimizer=optimizer.state_dict(), config=config.to_dict(), **state)
            print(f"step {done} patches: {sight(model, head, unseen)}", file=log)
            if done > options.look:
                print(f"step {done} unseen: {report(model, opening, unseen)}", file=log)


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument("--work", type=Path, required=True, help="folder of the run")
    args.add_argument("--steps", type=int, default=8000)
    args.add_argument("--decay", type=int, default=3500, help="how many of them, the last, decay")
    args.add_argument("--look", type=int, default=3000, help="the first steps: the tower alone")
    args.add_argument("--more", choices=KINDS, help="a kind of question to ask four times as often")
    args.add_argument("--alike", action="store_true", help="pictures whose shapes are easily mixed up")
    args.add_argument("--pointing", type=float, default=0.1, help="weight of the pointing loss")
    args.add_argument("--rate", type=float, default=2e-3, help="of learning, at most")
    args.add_argument("--rows", type=int, default=16, help="pictures in a batch")
    args.add_argument("--every", type=int, default=250, help="steps between checkpoints")
    args.add_argument("--seed", type=int, default=1)
    args.add_argument("--processes", type=int, default=2, help="they share each batch")
    options = args.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    (options.work / "rendezvous").unlink(missing_ok=True)
    if not (options.work / "tokenizer.model").exists():
        tokenizer.train(options.work / "tokenizer.model", options.seed)
    torch.multiprocessing.spawn(train, (options,), nprocs=options.processes)


if __name__ == "__main__":
    main()
