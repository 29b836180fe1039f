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
