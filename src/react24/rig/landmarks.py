"""Named groups of the 478 face-mesh landmarks, written for the subject's right side.

The subject's right side is the left of an unmirrored picture. The left side's points follow from
the mirror map of the rig. Rows of the lips run from the corner of the mouth to the midline, rows of
the lids and brows from the outer to the inner end, so that rows pair up point by point.
"""

from __future__ import annotations

MESH_POINTS = 468
POINTS = 478

UPPER_LIP = (  # outer edge, two rows between, inner edge
    (61, 185, 40, 39, 37, 0),
    (76, 184, 74, 73, 72, 11),
    (62, 183, 42, 41, 38, 12),
    (78, 191, 80, 81, 82, 13),
)
LOWER_LIP = (
    (61, 146, 91, 181, 84, 17),
    (76, 77, 90, 180, 85, 16),
    (62, 96, 89, 179, 86, 15),
    (78, 95, 88, 178, 87, 14),
)
MOUTH_CORNER = (61, 76, 62, 78)

UPPER_LID = (246, 161, 160, 159, 158, 157, 173)
LOWER_LID = (7, 163, 144, 145, 153, 154, 155)
EYE_CORNERS = (33, 133)
LID_FOLD = (247, 30, 29, 27, 28, 56, 190)
LOWER_LID_FOLD = (25, 110, 24, 23, 22, 26, 112)
EYE_BAG = (31, 228, 229, 230, 231, 232, 233)
IRIS = (468, 469, 470, 471, 472)

BROW_UPPER = (70, 63, 105, 66, 107)
BROW_LOWER = (46, 53, 52, 65, 55)

CHEEK = (50, 101, 118, 117, 205, 36, 123)
NOSTRIL = (64, 98, 129, 49, 48, 219, 102, 218)
NOSE_MIDLINE = (6, 197, 195, 5, 4, 1, 19, 94, 2)
NASOLABIAL = (203, 206, 216, 212)
CHIN = (18, 200, 199, 175, 152, 83, 201, 208, 171, 148, 32, 140, 176, 182, 194, 106, 204)
JAW_LINE = (149, 150, 136, 172, 58, 132, 93, 234)

RIGID = (
    *(10, 109, 67, 103, 54, 21, 162, 127, 151, 108, 69, 104),  # forehead and temples
    *(168, 6, 197, 195, 122, 193, 33, 133, 130, 243),  # bridge of the nose, corners of the eyes
    *(234, 227),  # cheek bones in front of the ear
)
"""Points that follow the skull: none of them on the brows, the lids, the lower nose or the jaw."""

BLENDSHAPE_POINTS = (
    0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65,
    66, 67, 70, 78, 80, 81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136,
    144, 145, 146, 148, 149, 150, 152, 153, 154, 155, 157, 158, 159, 160, 161, 162, 163, 168, 172,
    173, 176, 178, 181, 185, 191, 195, 197, 234, 246, 249, 251, 263, 267, 269, 270, 276, 282, 283,
    284, 285, 288, 291, 293, 295, 296, 297, 300, 308, 310, 311, 312, 314, 317, 318, 321, 323, 324,
    332, 334, 336, 338, 356, 361, 362, 365, 373, 374, 375, 377, 378, 379, 380, 381, 382, 384, 385,
    386, 387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466, 468, 469, 470, 471, 472,
    473, 474, 475, 476, 477,
)  # fmt: skip
"""What MediaPipe's blendshape network takes of the landmarks of both sides, 146, in its order
(MediaPipe's ``face_blendshapes_graph.cc``); the student that learned from it takes the same."""
