"""A diffusers image-to-image pipeline behind the API that image-editors' InferenceEditor speaks.

    pip install -r tools/requirements-editors.txt torch==2.15.0 diffusers==0.42.1 transformers==5.24.0 fastapi uvicorn
    python tools/editor_fixtures_diffusers_server.py --model timbrooks/instruct-pix2pix --port 8322
    python tools/editor_fixtures_diffusers_server.py --model tiny --port 8322   # random weights, no download

POST {"inputs": BASE64, "parameters": {"prompt", "seed", "target_size", ...}} is answered with a PNG, as Hugging Face's
image-to-image endpoints do; further parameters go to the pipeline.
"""

import argparse
import base64
import io
import json
import tempfile
import threading
from pathlib import Path

import torch
import uvicorn
from fastapi import FastAPI, HTTPException, Request, Response
from PIL import Image


def tiny():
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionImg2ImgPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    torch.manual_seed(0)
    folder = Path(tempfile.mkdtemp())
    letters = [chr(c) for c in range(33, 127)]
    words = letters + [letter + "</w>" for letter in letters] + ["<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=77)
    text = CLIPTextConfig(
        vocab_size=len(words), hidden_size=32, intermediate_size=37, num_hidden_layers=2, num_attention_heads=4,
        bos_token_id=len(words) - 2, eos_token_id=len(words) - 1, pad_token_id=len(words) - 1,
    )
    return StableDiffusionImg2ImgPipeline(
        vae=AutoencoderKL(
            block_out_channels=[32, 64], in_channels=3, out_channels=3, latent_channels=4,
            down_block_types=["DownEncoderBlock2D"] * 2, up_block_types=["UpDecoderBlock2D"] * 2,
        ),
        text_encoder=CLIPTextModel(text),
        tokenizer=tokenizer,
        unet=UNet2DConditionModel(
            block_out_channels=(32, 64), layers_per_block=1, sample_size=32, in_channels=4, out_channels=4,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), cross_attention_dim=32,
        ),
        scheduler=DDIMScheduler(clip_sample=False),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )


def serve(pipeline, port):
    app, lock = FastAPI(), threading.Lock()

    @app.post("/")
    async def edit(request: Request):
        body = await request.json()
        parameters = dict(body.get("parameters") or {})
        try:
            image = Image.open(io.BytesIO(base64.b64decode(body["inputs"]))).convert("RGB")
        except Exception as error:
            raise HTTPException(400, f"inputs: {error}") from error
        size = parameters.pop("target_size", None)
        if size:
            image = image.resize((size["width"], size["height"]), Image.LANCZOS)
        seed = parameters.pop("seed", None)
        generator = None if seed is None else torch.Generator("cpu").manual_seed(seed)
        with lock:
            result = pipeline(image=image, generator=generator, **parameters).images[0]
        out = io.BytesIO()
        result.save(out, "PNG")
        return Response(out.getvalue(), media_type="image/png")

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--model", default="tiny")
    arguments.add_argument("--port", type=int, default=8322)
    args = arguments.parse_args()
    if args.model == "tiny":
        torch.set_num_threads(1)
        pipeline = tiny()
    else:
        from diffusers import AutoPipelineForImage2Image

        pipeline = AutoPipelineForImage2Image.from_pretrained(args.model)
        pipeline = pipeline.to("cuda" if torch.cuda.is_available() else "cpu")
    pipeline.set_progress_bar_config(disable=True)
    serve(pipeline, args.port)


if __name__ == "__main__":
    main()
