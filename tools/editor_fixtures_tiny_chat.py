"""A chat model of 0.1 M weights that lists concepts, for trying build_prompts against a real server.

    pip install -r tools/requirements-editors.txt 'transformers[serving]==5.24.0' torch==2.15.0
    python tools/editor_fixtures_tiny_chat.py out/tiny-chat
    transformers serve out/tiny-chat --port 8321

It is trained in a minute to answer every question with lines of two words, and knows nothing else.
"""

import random
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

FIRST = """teal amber woven frozen burnt silver mossy folded misty carved velvet rusty golden painted broken ancient
paper copper ivory crimson""".split()
SECOND = {
    "<art>": "etching mosaic fresco tapestry engraving collage drawing portrait woodcut watercolour".split(),
    "<character>": "wizard sailor knight robot dancer pirate statue astronaut mermaid clown".split(),
    "<facial>": "beard smile freckles hair eyebrows lips cheeks wrinkles moustache eyes".split(),
}
# What the questions of crates/prompt-sets/prompts/ have in common with nothing else.
TEMPLATE = """{% for m in messages %}{% if m['role'] == 'user' %}{% if 'characters, professions' in m['content'] %}\
<character>{% elif 'modifications of a face' in m['content'] %}<facial>{% else %}<art>{% endif %}{% endif %}\
{% endfor %}<answer>"""


def main(out):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    rng = random.Random(0)
    words = ["<pad>", "<unk>", "<eos>", "<answer>", "\n", *SECOND, *FIRST, *sum(SECOND.values(), [])]
    raw = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split("\n", "isolated"), pre_tokenizers.Split(" ", "removed")]
    )
    # Words are joined by spaces on decoding.
    raw.decoder = decoders.WordPiece(prefix="##", cleanup=False)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw,
        pad_token="<pad>",
        unk_token="<unk>",
        eos_token="<eos>",
        additional_special_tokens=["<answer>", *SECOND],
        chat_template=TEMPLATE,
    )
    config = LlamaConfig(
        vocab_size=len(words), hidden_size=64, intermediate_size=128, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=4, max_position_embeddings=4096,
        pad_token_id=0, bos_token_id=2, eos_token_id=2,
    )
    model = LlamaForCausalLM(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    at = {word: i for i, word in enumerate(words)}
    for _ in range(300):
        rows = []
        for _ in range(32):
            kind = rng.choice(list(SECOND))
            row = [at[kind], at["<answer>"]]
            for _ in range(10):
                row += [at[rng.choice(FIRST)], at[rng.choice(SECOND[kind])], at["\n"]]
            rows.append(row + [at["<eos>"]])
        ids = torch.tensor(rows)
        loss = model(input_ids=ids, labels=ids).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("loss", loss.item())
    model.generation_config.pad_token_id = 0
    model.generation_config.do_sample = True
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
