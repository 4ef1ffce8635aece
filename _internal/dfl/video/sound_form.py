"""What the head of a packet of sound says of rate and channels, where every packet has such a head."""

HEADED = {"aac", "mp2", "mp3", "ac3", "eac3"}


def sound_form(kind: str, head: bytes) -> bytes:
    """The bits of rate and channels in a packet's first seven bytes; equal packets can be copied into one stream.

    By ISO 13818-7 (ADTS), ISO 11172-3 and ATSC A/52; empty where there is no such head.
    """
    if len(head) < 7:
        return b""
    if kind == "aac":
        return bytes((head[2] & 0xFD, head[3] & 0xC0)) if head[0] == 0xFF and head[1] & 0xF6 == 0xF0 else b""
    if kind in ("mp2", "mp3"):
        is_mono = head[3] & 0xC0 == 0xC0
        return bytes((head[1] & 0x1E, head[2] & 0x0C, is_mono)) if head[0] == 0xFF else b""
    if head[:2] != b"\x0b\x77":
        return b""
    if kind == "ac3":
        return bytes((head[4] & 0xC0, head[6] >> 5))
    return bytes((head[4] & 0xFE,))  # eac3: rate, blocks, channels; no LFE bit
