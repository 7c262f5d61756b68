"""The tables: records of media files, and the versions of each record."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import JSON, BigInteger, CheckConstraint, Column, DateTime, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

MEDIA_TYPES = ("text", "audio", "image", "video")


def _now() -> datetime:
    return datetime.now(UTC)


class Record(SQLModel, table=True):
    """One file of the corpus. Columns that are NULL have not been filled in yet."""

    __tablename__ = "record"
    __table_args__ = (
        CheckConstraint("media_type IN ('text', 'audio', 'image', 'video')", name="record_media_type"),
        Index("record_in_order", "created_at", "uid"),
    )

    uid: UUID = Field(default_factory=uuid4, primary_key=True)
    title: str
    media_type: str
    file_path: str
    """Absolute, or relative to the app's folder."""
    file_size: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    duration: float | None = None
    """Seconds."""
    file_hash: str | None = None
    hash_algorithm: str | None = None
    has_sound: bool | None = None
    """False when the file was looked at and holds no sound track, so that it is not looked at again."""
    snr_db: float | None = None
    dominant_frequency_hz: float | None = None
    created_at: datetime = Field(
        default_factory=_now, sa_column=Column(DateTime(timezone=True), nullable=False)
    )


class RecordVersion(SQLModel, table=True):
    """What a record looked like at one time; version 0 is how it came in."""

    __tablename__ = "record_version"
    __table_args__ = (UniqueConstraint("record_uid", "version", name="record_version_once"),)

    id: int | None = Field(default=None, primary_key=True)
    record_uid: UUID = Field(foreign_key="record.uid", ondelete="CASCADE")
    version: int
    created_at: datetime = Field(
        default_factory=_now, sa_column=Column(DateTime(timezone=True), nullable=False)
    )
    snapshot: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
