#!/usr/bin/env python3
"""A folder of LoRA adapters with prompts, as PEFT writes them, and how well adapters that are generated from it answer.

    pip install -r tools/requirements-lora-files.txt
    python tools/lora_files_demo.py make OUT --init shared          # about four minutes on one core; or --init independent
    lora_files collect OUT/adapters --out ZOO
    train_generator --zoo ZOO --out GEN
    lora_files predict --zoo ZOO --generator GEN --prompts OUT/unseen.txt --out GENERATED
    python tools/lora_files_demo.py evaluate OUT GENERATED

The base is a vision transformer of transformers that reads the handwritten digits in assets/digits: 988 pictures to train on, 359
to choose settings on, 450 for the results. A task in words, such as "three or eight", is a question about the digit; the network
with the task's adapter answers yes if the logit of class 1 is above that of class 0. The 36 unseen tasks are drawn first: questions
about two or three digits such that no training task has these digits, or all others, as its answer; their wordings do occur in
training, with other digits.

With --init shared all adapters start from the same factors and see the same batches of pictures. With --init independent each
adapter has a seed of its own for both, as adapters have that are trained by different people.

make writes
  OUT/base                   the network
  OUT/adapters/NAME          an adapter for each training task, with prompt.txt
  OUT/reference/NAME         adapters trained on the unseen tasks, to compare with
  OUT/unseen.txt             the prompts of the unseen tasks
  OUT/tasks.json             all tasks, with the digits for which the answer is yes
evaluate prints a table of the balanced accuracy on the unseen tasks, with 95 % intervals by bootstrap over the tasks.
"""

import argparse
import itertools
import json
import os
import random
import time
from collections import Counter
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np  # noqa: E402
import torch  # noqa: E402
from peft import LoraConfig, PeftModel, get_peft_model, set_peft_model_state_dict  # noqa: E402
from PIL import Image  # noqa: E402
from torch.func import functional_call, vmap  # noqa: E402
from torch.nn import functional as F  # noqa: E402
from transformers import ViTConfig, ViTForImageClassification  # noqa: E402

DIGITS = Path(__file__).parent.parent / "assets" / "digits"
WORDS = "zero one two three four five six seven eight nine".split()
TRAIN, VALIDATION = 988, 359
UNSEEN = 18  # of each kind
EPOCHS = 60
STEPS, BATCH, RATE = 100, 32, 5e-3
TOGETHER = 24  # adapters trained at a time

# Wordings of questions about one, two and three digits, and whether the answer is yes for these digits.
ONE = [("is it {A}", True), ("only {a}", True), ("not {A}", False), ("anything but {a}", False)]
TWO = [
    ("{a} or {b}", True),
    ("is it {A} or {B}", True),
    ("either {a} or {b}", True),
    ("neither {a} nor {b}", False),
    ("anything but {a} and {b}", False),
]
THREE = [("{a} or {b} or {c}", True), ("one of {a} {b} and {c}", True), ("none of {a} {b} and {c}", False)]
RANGES = ["digits greater than {}", "more than {}", "digits less than {}", "below {}"]
PARITY = [("odd digits", 1), ("is it odd", 1), ("even digits", 0), ("is it even", 0)]


def task(prompt, yes, kind):
    name = "-".join(prompt.lower().split())
    return {"name": name, "prompt": prompt, "yes": sorted(yes), "kind": kind}


def worded(wording, positive, digits, kind):
    words = [WORDS[digit] for digit in digits]
    articles = [f"an {word}" if word == "eight" else f"a {word}" for word in words]
    prompt = wording.format(**dict(zip("abc", words)), **dict(zip("ABC", articles)))
    return task(prompt, digits if positive else set(range(10)) - set(digits), kind)


def draw_tasks(count, seed):
    """Training tasks, a third of each kind as far as there are enough, and unseen tasks."""
    rng = random.Random(seed)
    unseen, held_out, kinds = [], set(), []
    for size, wordings in [(2, TWO), (3, THREE)]:
        sets = [rng.sample(digits, size) for digits in itertools.combinations(range(10), size)]
        rng.shuffle(sets)
        for digits in sets[:UNSEEN]:
            unseen.append(worded(*rng.choice(wordings), digits, f"{size} new digits"))
            held_out |= {frozenset(digits), frozenset(range(10)) - frozenset(digits)}
        kinds.append([worded(*wording, digits, f"{size} digits") for digits in sets[UNSEEN:] for wording in wordings])
    others = [worded(*wording, [digit], "1 digit") for digit in range(10) for wording in ONE]
    for limit, wording in itertools.product(range(1, 9), RANGES):
        greater = "greater" in wording or "more" in wording
        yes = [digit for digit in range(10) if (digit > limit if greater else digit < limit)]
        others.append(task(wording.format(WORDS[limit]), yes, "range"))
    others += [task(prompt, range(rest, 10, 2), "parity") for prompt, rest in PARITY]
    kinds.append(others)
    for tasks in kinds:
        rng.shuffle(tasks)
    mixed = [t for row in itertools.zip_longest(*kinds) for t in row if t and frozenset(t["yes"]) not in held_out]
    assert len({t["name"] for t in mixed + unseen}) == len(mixed + unseen)
    return mixed[:count], unseen


def pictures(seed):
    """Pictures and labels of the three splits."""
    sheet = np.asarray(Image.open(DIGITS / "digits.png").convert("L"), np.float32) / 240
    labels = [int(c) for c in "".join((DIGITS / "labels.txt").read_text().split())]
    cut = [sheet[8 * (i // 47) : 8 * (i // 47) + 8, 8 * (i % 47) : 8 * (i % 47) + 8] for i in range(len(labels))]
    x, y = 2 * torch.tensor(np.stack(cut))[:, None] - 1, torch.tensor(labels)
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))
    parts = order.split([TRAIN, VALIDATION, len(y) - TRAIN - VALIDATION])
    return dict(zip(["train", "validation", "test"], [(x[part], y[part]) for part in parts]))


def train_base(data, seed):
    torch.manual_seed(seed)
    config = ViTConfig(
        image_size=8,
        patch_size=2,
        num_channels=1,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        num_labels=10,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        attn_implementation="eager",
    )
    model = ViTForImageClassification(config)
    x, y = data["train"]
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=EPOCHS * -(-TRAIN // 64))
    for _ in range(EPOCHS):
        for batch in torch.randperm(TRAIN).split(64):
            loss = F.cross_entropy(model(pixel_values=x[batch]).logits, y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model.eval()


def answers(y, tasks):
    """1.0 for yes, a row for each task."""
    return torch.stack([torch.isin(y, torch.tensor(t["yes"])).float() for t in tasks])


def initial(model, seed):
    """PEFT's initialisation: A random, B zero."""
    torch.manual_seed(seed)
    for module in model.modules():
        if hasattr(module, "reset_lora_parameters"):
            module.reset_lora_parameters("default", True)
    return {name: p.detach().clone() for name, p in model.named_parameters() if "lora_" in name}


def train_adapters(model, tasks, seeds, data):
    """The factors of adapters for the tasks, all trained at once: they share no value, only the passes over the network."""
    x, y = data["train"]
    yes = answers(y, tasks)
    # Yes and no weigh the same.
    share = yes.mean(1, keepdim=True)
    weights = yes / (2 * share) + (1 - yes) / (2 * (1 - share))
    starts = [initial(model, seed) for seed in seeds]
    factors = {name: torch.stack([start[name] for start in starts]).requires_grad_() for name in starts[0]}
    optimizer = torch.optim.Adam(factors.values(), lr=RATE)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, STEPS)
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def loss(factors, x, yes, weights):
        logits = functional_call(model, factors, kwargs={"pixel_values": x}).logits
        return F.binary_cross_entropy_with_logits(logits[:, 1] - logits[:, 0], yes, weights)

    for _ in range(STEPS):
        batch = torch.stack([torch.randint(TRAIN, (BATCH,), generator=g) for g in generators])
        total = vmap(loss)(factors, x[batch], yes.gather(1, batch), weights.gather(1, batch)).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        schedule.step()
    return [{name: p[i].detach().clone() for name, p in factors.items()} for i in range(len(tasks))]


def save(model, factors, folder, prompt):
    set_peft_model_state_dict(model, {name.replace(".default", ""): p for name, p in factors.items()})
    model.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink()
    (folder / "prompt.txt").write_text(prompt + "\n")


def make(args):
    start = time.time()
    train, unseen = draw_tasks(args.tasks, args.seed)
    data = pictures(args.seed)
    args.out.mkdir(parents=True)  # refuses a folder that exists
    base = train_base(data, args.seed)
    base.config._name_or_path = base.name_or_path = "digits-vit"
    base.save_pretrained(args.out / "base")
    with torch.no_grad():
        x, y = data["test"]
        right = (base(pixel_values=x).logits.argmax(1) == y).float().mean().item()
    print(f"the base reads {100 * right:.1f} % of the test pictures; {time.time() - start:.0f} s")

    modules = ["q_proj", "v_proj", "o_proj", "fc1", "fc2", "classifier"]
    model = get_peft_model(base, LoraConfig(r=4, lora_alpha=8, target_modules=modules))
    model.peft_config["default"].target_modules = sorted(modules)  # PEFT makes it a set, in whose order it is written
    everything = [(t, "adapters") for t in train] + [(t, "reference") for t in unseen]
    for first in range(0, len(everything), TOGETHER):
        group = everything[first : first + TOGETHER]
        # One seed for all, or one for each; neither is the base's.
        own = range(first + 2, first + 2 + len(group))
        seeds = [args.seed * 10_000 + (1 if args.init == "shared" else i) for i in own]
        for (t, folder), factors in zip(group, train_adapters(model, [t for t, _ in group], seeds, data)):
            save(model, factors, args.out / folder / t["name"], t["prompt"])
    (args.out / "unseen.txt").write_text("".join(t["prompt"] + "\n" for t in unseen))
    settings = {"init": args.init, "seed": args.seed, "base_accuracy": right}
    (args.out / "tasks.json").write_text(json.dumps(settings | {"train": train, "unseen": unseen}, indent=1))
    print(f"{len(train)} adapters for training tasks, {len(unseen)} for unseen ones; {time.time() - start:.0f} s")


def base_of(out):
    return ViTForImageClassification.from_pretrained(out / "base").eval()


def accuracy(model, t, data):
    """The mean of the shares of right answers over the pictures with answer yes and with answer no."""
    x, y = data
    with torch.no_grad():
        logits = model(pixel_values=x).logits
    says_yes, yes = logits[:, 1] > logits[:, 0], answers(y, [t])[0] > 0
    return (says_yes[yes].float().mean().item() + (~says_yes[~yes]).float().mean().item()) / 2


def adapted(out, folder):
    return PeftModel.from_pretrained(base_of(out), folder).eval()


def mean_adapted(out, names):
    """The base with the mean of the adapters' updates added; the mean of the factors would depend on their bases."""
    total = None
    for name in names:
        model = adapted(out, out / "adapters" / name)
        layers = {n: m.get_delta_weight("default") for n, m in model.named_modules() if hasattr(m, "get_delta_weight")}
        total = layers if total is None else {n: total[n] + layers[n] for n in total}
    base = base_of(out)
    with torch.no_grad():
        for name, update in total.items():
            base.get_submodule(name.removeprefix("base_model.model.")).weight += update / len(names)
    return base


def nearest(prompt, train):
    """The training tasks, all if several are equally near, with the highest cosine similarity of their counts of words."""

    def similarity(a, b):
        a, b = (Counter(text.lower().split()) for text in (a, b))
        return sum(a[w] * b[w] for w in a) / (sum(v * v for v in a.values()) * sum(v * v for v in b.values())) ** 0.5

    values = [similarity(prompt, t["prompt"]) for t in train]
    return [t for t, value in zip(train, values) if value > max(values) - 1e-9]


def interval(values, rng):
    """The mean in percent, and its 95 % interval by bootstrap."""
    values = 100 * np.array(values)
    means = values[rng.integers(len(values), size=(10_000, len(values)))].mean(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return f"{values.mean():.1f} % ({low:.1f} to {high:.1f})"


def evaluate(args):
    tasks = json.loads((args.out / "tasks.json").read_text())
    train, unseen = tasks["train"], tasks["unseen"]
    data = pictures(tasks["seed"])[args.split]
    base, mean = base_of(args.out), mean_adapted(args.out, [t["name"] for t in train])

    def by_text(t):
        near = nearest(t["prompt"], train)
        return np.mean([accuracy(adapted(args.out, args.out / "adapters" / n["name"]), t, data) for n in near])

    rows = {
        "no adapter": [accuracy(base, t, data) for t in unseen],
        "mean adapter": [accuracy(mean, t, data) for t in unseen],
        "nearest adapter by text": [by_text(t) for t in unseen],
    }
    folders = {f"generated, {folder.name}": folder for folder in args.generated}
    folders["trained on the task"] = args.out / "reference"
    for row, folder in folders.items():
        rows[row] = [accuracy(adapted(args.out, folder / t["name"]), t, data) for t in unseen]
    kinds = sorted({t["kind"] for t in unseen})
    rng = np.random.default_rng(0)
    print(f"| adapter | {len(unseen)} unseen tasks | {' | '.join(kinds)} |")
    print("| --- |" + " --- |" * (1 + len(kinds)))
    for row, values in rows.items():
        parts = [[v for v, t in zip(values, unseen) if t["kind"] == kind] for kind in kinds]
        print(f"| {row} | {' | '.join(interval(part, rng) for part in [values, *parts])} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("make", help="train a base and a folder of adapters")
    command.add_argument("out", type=Path)
    command.add_argument("--init", choices=["shared", "independent"], required=True)
    command.add_argument("--tasks", type=int, default=240, help="training tasks")
    command.add_argument("--seed", type=int, default=0)
    command.set_defaults(run=make)
    command = commands.add_parser("evaluate", help="balanced accuracy on the unseen tasks")
    command.add_argument("out", type=Path)
    command.add_argument("generated", type=Path, nargs="*", help="folders by `lora_files predict`")
    command.add_argument("--split", choices=["validation", "test"], default="test")
    command.set_defaults(run=evaluate)
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.run(args)


if __name__ == "__main__":
    main()
