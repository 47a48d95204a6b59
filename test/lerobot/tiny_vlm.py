"""A SmolVLM of a few thousand random weights, with tokenizer and image processor, in a folder.

SmolVLA loads its backbone by the name of such a folder (`vlm_model_name`).
"""

from __future__ import annotations

import json
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import PreTrainedTokenizerFast, SmolVLMConfig, SmolVLMForConditionalGeneration

SPECIAL = ("<pad>", "<s>", "</s>", "<unk>", "<image>", "<fake_token_around_image>")
SPECIAL += ("<global-img>", "<end_of_utterance>")
WORDS = ("pick", "place", "the", "red", "cube", "up", "push", "open", "door", "slowly")
PATCH, SIDE = 8, 32


def save(folder: Path) -> Path:
    """The whole folder: config, weights, tokenizer, processors."""
    words = {word: at for at, word in enumerate((*SPECIAL, *WORDS))}
    config = SmolVLMConfig(
        image_token_id=words["<image>"],
        pad_token_id=0,
        scale_factor=2,
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": SIDE,
            "patch_size": PATCH,
        },
        text_config={
            "model_type": "llama",
            "hidden_size": 64,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 16,
            "vocab_size": len(words),
            "pad_token_id": 0,
        },
    )
    SmolVLMForConditionalGeneration(config).save_pretrained(folder)
    tokenizer = Tokenizer(WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        extra_special_tokens={
            "image_token": "<image>",
            "fake_image_token": "<fake_token_around_image>",
            "global_image_token": "<global-img>",
            "end_of_utterance_token": "<end_of_utterance>",
        },
    ).save_pretrained(folder)
    images = {
        "image_processor_type": "SmolVLMImageProcessor",
        "size": {"longest_edge": SIDE},
        "max_image_size": {"longest_edge": SIDE},
        "do_image_splitting": False,
        "processor_class": "SmolVLMProcessor",
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(images))
    video = {
        "video_processor_type": "SmolVLMVideoProcessor",
        "size": {"longest_edge": SIDE},
        "max_image_size": {"longest_edge": SIDE},
        "video_sampling": {"fps": 1, "max_frames": 4, "video_size": {"longest_edge": SIDE}},
    }
    (folder / "video_preprocessor_config.json").write_text(json.dumps(video))
    processor = {"processor_class": "SmolVLMProcessor", "image_seq_len": 4}
    (folder / "processor_config.json").write_text(json.dumps(processor))
    return folder
