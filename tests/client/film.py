"""A film of one picture for Chromium's fake camera: a QR code, drawn as uncompressed video."""

from __future__ import annotations

from pathlib import Path

import segno

WIDTH, HEIGHT = 640, 480
FRAMES = 5
WHITE, BLACK, GREY = 235, 16, 128
BORDER = 4


def film_qr(path: Path, text: str) -> None:
    """Write a Y4M film in which `text` is held before the camera."""
    luma = _picture(text)
    chroma = bytes([GREY]) * (WIDTH * HEIGHT // 2)
    header = f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F10:1 Ip A1:1 C420jpeg\n".encode()
    path.write_bytes(header + (b"FRAME\n" + luma + chroma) * FRAMES)


def _picture(text: str) -> bytes:
    matrix = [bytes(row) for row in segno.make(text, error="m", micro=False).matrix]
    side = len(matrix) + 2 * BORDER
    scale = HEIGHT // side
    left, top = (WIDTH - side * scale) // 2, (HEIGHT - side * scale) // 2
    rows = [bytearray([WHITE] * WIDTH) for _ in range(HEIGHT)]
    for line, cells in enumerate(matrix):
        for column, dark in enumerate(cells):
            if dark:
                x, y = left + (column + BORDER) * scale, top + (line + BORDER) * scale
                for row in rows[y : y + scale]:
                    row[x : x + scale] = bytes([BLACK] * scale)
    return b"".join(rows)
